in vec3 foot;
in vec2 size;
in vec2 corner;
in float layer;
in float shade;
out vec3 at;
out vec3 light;
#ifdef NIGHT
out vec3 world_at;
#endif

void main() {
    // Upright, turned towards the camera.
    vec2 look = foot.xy - eye.xy;
    look /= max(length(look), 0.01);
    vec3 world = foot + vec3(vec2(-look.y, look.x) * corner.x * size.x, corner.y * size.y);
    at = vec3(corner.x * 0.5 + 0.5, corner.y, layer);
    float lit = 0.45 - 0.25 * dot(look, normalize(sun_dir.xy + vec2(1e-4)));
    light = shade * (ambient(0.6) + sun_colour * (0.25 + lit));
#ifdef NIGHT
    world_at = world;
#endif
    gl_Position = view * vec4(world, 1.0);
}
