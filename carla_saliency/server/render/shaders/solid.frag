in vec3 at;
in vec3 ambient_light;
in vec3 sun_light;
in vec2 shadow_at;
flat in float tag;
uniform sampler2DArray surfaces;
uniform sampler2D shadows;
out vec4 pixel;
#ifdef NIGHT
in vec3 world_at;
in vec3 base;
#endif

void main() {
    vec3 albedo = texture(surfaces, at).rgb;
    vec2 shade = texture(shadows, shadow_at).rg;
    vec3 light = ambient_light + sun_light * shade.r;
#ifdef NIGHT
    light += base * (headlight(world_at) + vec3(0.55, 0.46, 0.30) * shade.g);
#endif
    pixel = vec4(in_air(albedo * light, 1.0 / gl_FragCoord.w).bgr, tag);
}
