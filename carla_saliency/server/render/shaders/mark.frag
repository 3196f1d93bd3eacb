in vec2 on_line;
in vec2 world_xy;
in vec2 shadow_at;
flat in vec3 line;
flat in vec4 colour;
uniform sampler2D shadows;
uniform sampler2D worn;
layout(location = 0, index = 0) out vec4 pixel;
layout(location = 0, index = 1) out vec4 cover; // of colour, and of the tag (all or nothing)
#ifdef NIGHT
in vec3 world_at;
#endif

// Painted metres from 0 to s.
float painted(float s) {
    return floor(s / line.z) * line.y + min(s - floor(s / line.z) * line.z, line.y);
}

void main() {
    // Box filter over the pixel's footprint: crisp near by, never broken far away.
    vec2 foot = max(vec2(length(vec2(dFdx(on_line.x), dFdy(on_line.x))),
                         length(vec2(dFdx(on_line.y), dFdy(on_line.y)))), vec2(1e-4));
    float v = on_line.x, s = on_line.y;
    float over = clamp((min(v + 0.5 * foot.x, line.x) - max(v - 0.5 * foot.x, -line.x)) / foot.x,
                       0.0, 1.0);
    // The tag is not smoothed: the pixels that the line runs through, as long as it covers an eighth.
    bool hit = abs(v) <= max(line.x, 0.5 * foot.x) && foot.x < 16.0 * line.x;
    if (line.z > 0.0) {
        over *= (painted(s + 0.5 * foot.y) - painted(s - 0.5 * foot.y)) / foot.y;
        hit = hit && s - floor(s / line.z) * line.z <= line.y && foot.y < line.z;
    }
    float chips = textureLod(worn, world_xy * 0.9, 0.0).r;
    // Worn paint is chipped near by, and paler by as much far away.
    float detail = 1.0 - smoothstep(0.02, 0.08, foot.x);
    float kept = 1.0 - colour.a * mix(1.0, 2.0 * smoothstep(0.35, 0.65, chips), detail);
    over *= clamp(kept, 0.0, 1.0);
    if (over < 0.004 && !hit) discard;
    vec2 shade = textureLod(shadows, shadow_at, 0.0).rg;
    vec3 light = ambient(1.0) + sun_colour * max(sun_dir.z, 0.0) * shade.r;
#ifdef NIGHT
    light += headlight(world_at) * 1.1 + lamp_colour * shade.g;
#endif
    pixel = vec4(in_air(colour.rgb * light, 1.0 / gl_FragCoord.w).bgr, TAG_ROAD_LINES);
    cover = vec4(vec3(over), hit ? 1.0 : 0.0);
}
