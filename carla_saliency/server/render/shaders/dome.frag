in vec2 place;
uniform sampler2D cloud;
uniform vec3 zenith;
uniform vec3 horizon;
uniform vec3 cloud_light;
uniform vec4 cloudy;       // cover 0..1, thickness, drift x, y
uniform float sun_glow;
out vec4 pixel;

void main() {
    float r2 = min(dot(place, place), 1.0);
    vec3 d = normalize(vec3(2.0 * place, 1.0 - r2)); // stereographic, from below
    float up = max(d.z, 0.0);
    vec3 colour = mix(horizon, zenith, 1.0 - exp(-up * 3.2));
    float towards = max(dot(d, sun_dir), 0.0);
    colour += sun_colour * sun_glow * (0.12 * pow(towards, 6.0) + 0.9 * pow(towards, 600.0));
    if (up > 0.015) {
        vec2 p = d.xy / (up + 0.12);
        float thick = 0.6 * textureLod(cloud, p * 0.10 + cloudy.zw, 0.0).r
                    + 0.4 * textureLod(cloud, p * 0.27 - cloudy.wz, 0.0).r;
        float edge = 1.0 - cloudy.x;
        float cover = smoothstep(edge, edge + 0.28, thick) * smoothstep(0.0, 0.16, up);
        vec3 lit = cloud_light * (1.06 - 0.4 * cloudy.y * smoothstep(edge, edge + 0.6, thick));
        colour = mix(colour, lit, cover * 0.92);
    }
    // The air near the ground is foggy, also before the sky.
    float haze = 1.0 - exp2(-fog.x * 260.0 / (up * 9.0 + 0.10));
    colour = mix(colour, fog_colour, haze * step(0.00001, fog.x));
    pixel = vec4(colour, 1.0);
}
