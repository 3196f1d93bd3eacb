in vec3 at;
in vec3 light;
uniform sampler2DArray plants;
out vec4 pixel;
#ifdef NIGHT
in vec3 world_at;
#endif

void main() {
    vec4 leaf = texture(plants, at);
    if (leaf.a < 0.5) discard;
    vec3 all = light;
#ifdef NIGHT
    all += headlight(world_at);
#endif
    pixel = vec4(in_air(leaf.rgb * all, 1.0 / gl_FragCoord.w).bgr, TAG_VEGETATION);
}
