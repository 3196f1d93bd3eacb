in vec2 corner;
in vec2 lamp;
uniform vec4 area;
out vec2 on_pool;

void main() {
    on_pool = corner;
    gl_Position = vec4((lamp + corner * 11.0) * area.xy + area.zw, 0.0, 1.0);
}
