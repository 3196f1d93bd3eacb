in vec2 on_pool;
out vec4 pixel;
void main() {
    float bright = max(1.0 - length(on_pool), 0.0);
    pixel = vec4(0.0, bright * bright, 0.0, 0.0);
}
