in vec3 position;
in vec2 uv;
in vec4 tint;
in vec4 normal;
uniform vec3 origin;       // added to the position: the horizon goes with the camera
out vec2 at;               // texture coordinates
out vec3 paint;
out vec2 shadow_at;
flat out vec4 face;        // layer, tag, light from the sky, light from the sun
#ifdef NIGHT
out vec3 world_at;
#endif

void main() {
    vec3 world = position + origin;
    vec3 n = normal.xyz * 2.0 - 1.0;
    // Wet asphalt and soil are darker; walls hardly.
    paint = tint.rgb * (2.0 - 2.0 * wet * clamp(n.z, 0.0, 1.0));
    face = vec4(floor(tint.a * 255.0 + 0.5), normal.a, up_light(n.z), max(dot(n, sun_dir), 0.0));
    at = uv;
    // Only what lies is shaded by the shadow map: it is flat.
    shadow_at = n.z > 0.7 ? world.xy * shadow_map.xy + shadow_map.zw : vec2(-1.0);
#ifdef NIGHT
    world_at = world;
#endif
    gl_Position = view * vec4(world, 1.0);
}
