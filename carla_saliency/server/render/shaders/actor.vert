in vec3 position;
in vec4 colour;
in vec4 normal;
uniform mat4 model;
uniform vec3 body;         // paint
uniform float brake;
uniform float lamps;       // lit at night
out vec3 shaded;
#ifdef NIGHT
out vec3 world_at;
out vec3 base;
#endif

void main() {
    vec3 n = normalize(mat3(model) * (normal.xyz * 2.0 - 1.0));
    vec4 world = model * vec4(position, 1.0);
    int material = int(colour.a * 255.0 + 0.5);
    vec3 albedo = material == 1 ? colour.rgb * body : colour.rgb;
    vec3 light = ambient(n.z) + sun_colour * max(dot(n, sun_dir), 0.0);
    vec3 result = albedo * light;
    // Paint and glass mirror the sky and the sun a little.
    vec3 sight = normalize(world.xyz - eye);
    vec3 back = reflect(sight, n);
    float rim = pow(1.0 - max(dot(-sight, n), 0.0), 3.0);
    float gloss = material == 2 ? 0.30 + 0.5 * rim : material == 1 ? 0.04 + 0.22 * rim : 0.0;
    result += gloss * sky_colour * (0.35 + 0.65 * clamp(back.z, 0.0, 1.0));
    if (material == 1 || material == 2)
        result += 0.5 * sun_colour * pow(max(dot(back, sun_dir), 0.0), 24.0);
    if (material == 3) result = mix(result, vec3(1.0, 0.10, 0.07), max(brake, 0.45 * lamps));
    if (material == 4) result = mix(result, vec3(1.0, 0.97, 0.88), lamps);
    shaded = result;
#ifdef NIGHT
    world_at = world.xyz;
    base = material > 1 ? vec3(0.0) : albedo;
#endif
    gl_Position = view * world;
}
