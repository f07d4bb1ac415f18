/* Between float32 and the 16-bit formats, row by row. */

static void bf16_from_f32(size_t n, const float *x, uint16_t *y) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) v_store_bf16(y + i, v_load(x + i));
    if (i < n) v_store_bf16_n(y + i, v_load_n(x + i, n - i, v_zero()), n - i);
}

static void f32_from_bf16(size_t n, const uint16_t *x, float *y) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) v_store(y + i, v_load_bf16(x + i));
    if (i < n) v_store_n(y + i, v_load_bf16_n(x + i, n - i), n - i);
}

static void f16_from_f32(size_t n, const float *x, uint16_t *y) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) v_store_f16(y + i, v_load(x + i));
    if (i < n) v_store_f16_n(y + i, v_load_n(x + i, n - i, v_zero()), n - i);
}

static void f32_from_f16(size_t n, const uint16_t *x, float *y) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) v_store(y + i, v_load_f16(x + i));
    if (i < n) v_store_n(y + i, v_load_f16_n(x + i, n - i), n - i);
}
