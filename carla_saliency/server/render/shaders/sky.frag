in vec3 ray;
uniform sampler2D dome;
out vec4 pixel;

void main() {
    vec3 d = ray * inversesqrt(dot(ray, ray));
    vec2 place = d.xy / (1.0 + max(d.z, 0.0));
    pixel = vec4(textureLod(dome, place * (0.5 / 1.02) + 0.5, 0.0).bgr, TAG_SKY);
}
