in vec3 position;
in vec2 uv;
in vec4 tint;
in vec4 normal;
uniform vec3 origin;       // added to the position: the horizon goes with the camera
out vec3 at;               // texture coordinates and layer
out vec3 ambient_light;
out vec3 sun_light;
out vec2 shadow_at;
flat out float tag;
#ifdef NIGHT
out vec3 world_at;
out vec3 base;
#endif

void main() {
    vec3 world = position + origin;
    vec3 n = normal.xyz * 2.0 - 1.0;
    float layer = floor(tint.a * 255.0 + 0.5);
    vec3 colour = tint.rgb * 2.0;
    // Wet asphalt and soil are darker; walls hardly.
    colour *= 1.0 - wet * clamp(n.z, 0.0, 1.0);
    float lambert = max(dot(n, sun_dir), 0.0);
    ambient_light = colour * ambient(n.z);
    sun_light = colour * sun_colour * lambert;
    at = vec3(uv, layer);
    // Only what lies is shaded by the shadow map: it is flat.
    shadow_at = n.z > 0.7 ? world.xy * shadow_map.xy + shadow_map.zw : vec2(-1.0);
    tag = normal.a;
#ifdef NIGHT
    world_at = world;
    base = colour;
#endif
    gl_Position = view * vec4(world, 1.0);
}
