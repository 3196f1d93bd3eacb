in vec2 corner;            // unit square around an actor
uniform vec4 place;        // x, y, z of the ground, heading as radians
uniform vec2 half_size;
uniform vec2 drift;        // from the foot of a thing to the end of its shadow
out vec2 on_blob;
out float distance;

void main() {
    on_blob = corner * 1.35;
    vec2 local = corner * 1.35 * half_size;
    float c = cos(place.w), s = sin(place.w);
    vec2 turned = vec2(c * local.x - s * local.y, s * local.x + c * local.y);
    vec2 world = place.xy + turned + drift * step(0.0, dot(turned, drift));
    gl_Position = view * vec4(world, place.z, 1.0);
    distance = gl_Position.w;
}
