in vec3 caster;            // x, y, height
uniform vec4 area;         // scale and offset of x, y to clip space
uniform vec2 lean;         // metres that a shadow moves per metre of height

void main() {
    vec2 ground = caster.xy + lean * caster.z;
    gl_Position = vec4(ground * area.xy + area.zw, 0.0, 1.0);
}
