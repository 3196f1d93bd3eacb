in vec2 corner;
out vec2 place;

void main() {
    place = corner * 1.02;     // a rim, so that the horizon is not the texture's edge
    gl_Position = vec4(corner, 0.0, 1.0);
}
