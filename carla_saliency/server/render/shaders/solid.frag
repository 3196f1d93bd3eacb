in vec2 at;
in vec3 paint;
in vec2 shadow_at;
flat in vec4 face;
uniform sampler2DArray surfaces;
uniform sampler2D shadows;
out vec4 pixel;
#ifdef NIGHT
in vec3 world_at;
#endif

void main() {
    vec3 albedo = texture(surfaces, vec3(at, face.x)).rgb * paint;
    vec2 shade = textureLod(shadows, shadow_at, 0.0).rg;
    vec3 light = sky_colour * face.z + sun_colour * (face.w * shade.r);
#ifdef NIGHT
    light += headlight(world_at) + lamp_colour * shade.g;
#endif
    pixel = vec4(in_air(albedo * light, 1.0 / gl_FragCoord.w).bgr, face.y);
}
