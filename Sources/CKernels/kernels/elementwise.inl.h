/* One output element from the input elements of the same place: activations, sums, dropout. */

/* A kernel y = f(x) from a function of one vector. */
#define MG_MAP1(name, f)                                                                           \
    static void name(size_t n, const float *x, float *y) {                                         \
        size_t i = 0;                                                                              \
        for (; i + VN <= n; i += VN) v_store(y + i, f(v_load(x + i)));                             \
        if (i < n) v_store_n(y + i, f(v_load_n(x + i, n - i, v_zero())), n - i);                   \
    }

/* A kernel y = f(a, b) from a function of two vectors. */
#define MG_MAP2(name, f)                                                                           \
    static void name(size_t n, const float *a, const float *b, float *y) {                         \
        size_t i = 0;                                                                              \
        for (; i + VN <= n; i += VN) v_store(y + i, f(v_load(a + i), v_load(b + i)));              \
        if (i < n) {                                                                               \
            v_f32 last = f(v_load_n(a + i, n - i, v_zero()), v_load_n(b + i, n - i, v_zero()));    \
            v_store_n(y + i, last, n - i);                                                         \
        }                                                                                          \
    }

MG_INLINE v_f32 v_relu(v_f32 x) { return v_max(v_zero(), x); }
MG_INLINE v_f32 v_relu_gradient(v_f32 x, v_f32 dy) { return v_gt(x, v_zero(), dy, v_zero()); }
MG_INLINE v_f32 v_relu2(v_f32 x) { return v_mul(v_relu(x), v_relu(x)); }
MG_INLINE v_f32 v_relu2_gradient(v_f32 x, v_f32 dy) {
    v_f32 positive = v_relu(x);
    return v_mul(v_add(positive, positive), dy);
}

/* GELU's tanh form equals x * sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3), which keeps its
 * relative precision for negative x where 1 + tanh(u) cancels. The constants are 2 sqrt(2/pi) and
 * the same times 0.044715. */
#define MG_GELU_1 1.5957691216f
#define MG_GELU_3 0.0713548162726f
MG_INLINE v_f32 v_gelu(v_f32 x) {
    v_f32 inner = v_fma(v_mul(x, x), v_set1(MG_GELU_3), v_set1(MG_GELU_1));
    return v_mul(x, v_sigmoid(v_mul(x, inner)));
}
/* d/dx = s + x s (1-s) d(2u)/dx, s = sigmoid(2u). */
MG_INLINE v_f32 v_gelu_gradient(v_f32 x, v_f32 dy) {
    v_f32 square = v_mul(x, x);
    v_f32 s = v_sigmoid(v_mul(x, v_fma(square, v_set1(MG_GELU_3), v_set1(MG_GELU_1))));
    v_f32 slope = v_fma(square, v_set1(3 * MG_GELU_3), v_set1(MG_GELU_1));
    v_f32 rest = v_mul(v_mul(x, slope), v_fnma(s, s, s));
    /* Far out s (1-s) is zero while x * slope may overflow: their product must be zero too. */
    rest = v_gt(v_abs(x), v_set1(12.0f), v_zero(), rest);
    return v_mul(dy, v_add(s, rest));
}
#undef MG_GELU_1
#undef MG_GELU_3

MG_MAP1(relu_f32, v_relu)
MG_MAP1(relu2_f32, v_relu2)
MG_MAP1(gelu_f32, v_gelu)
MG_MAP1(exp_f32, v_exp)
MG_MAP1(tanh_f32, v_tanh)
MG_MAP1(sigmoid_f32, v_sigmoid)
MG_MAP2(relu_backward_f32, v_relu_gradient)
MG_MAP2(relu2_backward_f32, v_relu2_gradient)
MG_MAP2(gelu_backward_f32, v_gelu_gradient)
MG_MAP2(add_f32, v_add)

MG_INLINE v_f32 v_swiglu(v_f32 gate, v_f32 up) { return v_mul(v_mul(gate, v_sigmoid(gate)), up); }
MG_MAP2(swiglu_f32, v_swiglu)
#undef MG_MAP1
#undef MG_MAP2

static void swiglu_backward_f32(size_t n, const float *gate, const float *up, const float *dy,
                                float *dgate, float *dup) {
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 g = v_load_n(gate + i, m, v_zero()), u = v_load_n(up + i, m, v_zero());
        v_f32 d = v_load_n(dy + i, m, v_zero());
        v_f32 s = v_sigmoid(g), silu = v_mul(g, s);
        /* d silu / d gate = s + silu (1 - s) */
        v_f32 slope = v_fma(silu, v_sub(v_set1(1.0f), s), s);
        v_store_n(dgate + i, v_mul(v_mul(d, u), slope), m);
        v_store_n(dup + i, v_mul(d, silu), m);
    }
}

static void axpy_f32(size_t n, float scale, const float *x, float *y) {
    v_f32 a = v_set1(scale);
    size_t i = 0;
    for (; i + VN <= n; i += VN) v_store(y + i, v_fma(a, v_load(x + i), v_load(y + i)));
    if (i < n) {
        v_f32 last = v_load_n(y + i, n - i, v_zero());
        v_store_n(y + i, v_fma(a, v_load_n(x + i, n - i, v_zero()), last), n - i);
    }
}

static void scale_add_f32(size_t n, float scale, const float *x, const float *add, float *y) {
    v_f32 a = v_set1(scale);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 product = v_mul(a, v_load_n(x + i, m, v_zero()));
        if (add) product = v_add(product, v_load_n(add + i, m, v_zero()));
        v_store_n(y + i, product, m);
    }
}

static void multiply_add_f32(size_t n, const float *add, const float *a, const float *b, float *y) {
    MG_EACH(n, {
        v_f32 sum = add ? v_part(add + i, m, v_zero()) : v_zero();
        v_put(y + i, v_fma(v_part(a + i, m, v_zero()), v_part(b + i, m, v_zero()), sum), m);
    });
}

/* A random function of (key, number) in plain C, which compilers vectorise inside the attribute
 * region. The key is hashed first (the finaliser of splitmix64), or the numbers of keys that
 * differ in a few bits would be the same but for the order of neighbours. */
typedef struct {
    uint32_t low, high;
} hash_key;

MG_INLINE hash_key hash_key_of(uint64_t key) {
    key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9u;
    key = (key ^ (key >> 27)) * 0x94D049BB133111EBu;
    key ^= key >> 31;
    return (hash_key){(uint32_t)key, (uint32_t)(key >> 32)};
}

/* A 32-bit finaliser (two multiplications, three shifts) of the number, keyed before and between.
 */
MG_INLINE uint32_t hash_of(hash_key key, uint64_t number) {
    uint32_t h = (uint32_t)number ^ key.low ^ ((uint32_t)(number >> 32) * 0x9E3779B9u);
    h = (h ^ (h >> 16)) * 0x7FEB352Du;
    h = ((h ^ (h >> 15)) + key.high) * 0x846CA68Bu;
    return h ^ (h >> 16);
}

static void dropout_f32(size_t n, uint64_t key, size_t offset, uint32_t threshold, float scale,
                        const float *x, float *y) {
    hash_key hash = hash_key_of(key);
    for (size_t i = 0; i < n; i++)
        y[i] = hash_of(hash, offset + i) < threshold ? 0.0f : x[i] * scale;
}
