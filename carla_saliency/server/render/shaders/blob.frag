in vec2 on_blob;
in float distance;
uniform float strength;
layout(location = 0, index = 0) out vec4 pixel;
layout(location = 0, index = 1) out vec4 cover;

void main() {
    vec2 beyond = max(abs(on_blob) - 0.8, 0.0);
    float soft = 1.0 - smoothstep(0.0, 0.5, length(beyond));
    pixel = vec4(in_air(vec3(0.0), distance).bgr, 0.0);
    cover = vec4(vec3(soft * strength), 0.0);
}
