in vec2 corner;
uniform vec3 forward;
uniform vec3 right;
uniform vec3 down;
out vec3 ray;

void main() {
    ray = forward + corner.x * right + corner.y * down;
    gl_Position = vec4(corner, 1.0, 1.0);
}
