// Light and air, shared by everything that is drawn. The tag goes out in alpha; colour leaves as BGR,
// so that the bytes need no swapping.
layout(std140) uniform Frame {
    mat4 view;
    vec4 eye_;
    vec4 sun_dir_;         // towards the sun
    vec4 sun_colour_;
    vec4 sky_colour_;      // ambient from above
    vec4 fog_colour_;
    vec4 air_;             // fog per metre, distance where it begins, radians of a pixel, wetness
    vec4 shadow_map;       // scale and offset of world x, y to the shadow map
    vec4 head_pos_;
    vec4 head_dir_;        // x, y; zero: no headlights
};
#define eye eye_.xyz
#define sun_dir sun_dir_.xyz
#define sun_colour sun_colour_.xyz
#define sky_colour sky_colour_.xyz
#define fog_colour fog_colour_.xyz
#define fog air_.xy
#define pixel_angle air_.z
#define wet air_.w
#define head_pos head_pos_.xyz
#define head_dir head_dir_.xy

float up_light(float up) { return 0.72 + 0.28 * up; }

vec3 ambient(float up) { return sky_colour * up_light(up); }

vec3 in_air(vec3 colour, float distance) {
    return mix(fog_colour, colour, exp2(-fog.x * max(distance - fog.y, 0.0)));
}

#ifdef NIGHT
const vec3 lamp_colour = vec3(0.55, 0.46, 0.30);

// Two dipped beams as one flat-topped cone on what lies ahead.
vec3 headlight(vec3 world) {
    vec3 d = world - head_pos;
    float ahead = dot(d.xy, head_dir);
    float aside = head_dir.x * d.y - head_dir.y * d.x;
    float angle = aside / max(ahead, 0.5);
    float beam = exp(-angle * angle * 2.2) * smoothstep(-1.0, 5.0, ahead);
    float range = 1.0 / (1.0 + ahead * ahead * 0.0016);
    float low = 1.0 - smoothstep(0.0, 1.6, d.z + 0.02 * ahead);
    return vec3(1.0, 0.95, 0.85) * beam * range * (0.25 + 0.75 * low) * 1.9 * dot(head_dir, head_dir);
}
#endif
