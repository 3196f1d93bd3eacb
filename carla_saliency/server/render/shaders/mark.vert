in vec3 position;
in vec2 across;
in float side;
in float along;
in vec3 shape;             // half width, painted length, period
in vec4 paint;
out vec2 on_line;          // metres beside the middle, metres along
out vec2 world_xy;
out vec2 shadow_at;
flat out vec3 line;
flat out vec4 colour;
#ifdef NIGHT
out vec3 world_at;
#endif

void main() {
    // Widen the strip to cover every pixel that the paint touches, also far away.
    vec3 sight = position - eye;
    float distance = length(sight);
    vec2 look = sight.xy / max(length(sight.xy), 0.01);
    float grazing = min(distance / max(abs(sight.z), 0.2), 40.0);
    float crossing = abs(dot(look, across));
    float foot = distance * pixel_angle * (1.0 + crossing * grazing);
    float half_width = shape.x + min(0.9 * foot, 1.5);
    vec3 world = position + vec3(across * side * half_width, 0.0);
    on_line = vec2(side * half_width, along);
    line = shape;
    colour = vec4(paint.rgb * (1.0 - 0.35 * wet), paint.a);
    world_xy = world.xy;
    shadow_at = world.xy * shadow_map.xy + shadow_map.zw;
#ifdef NIGHT
    world_at = world;
#endif
    gl_Position = view * vec4(world, 1.0);
}
