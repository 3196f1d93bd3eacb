in vec3 shaded;
uniform float tag;
out vec4 pixel;
#ifdef NIGHT
in vec3 world_at;
in vec3 base;
#endif

void main() {
    vec3 colour = shaded;
#ifdef NIGHT
    colour += base * headlight(world_at);
#endif
    pixel = vec4(in_air(colour, 1.0 / gl_FragCoord.w).bgr, tag);
}
