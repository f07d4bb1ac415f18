/* Checks of conversions between float32 and the 16-bit formats. */
#include "checks.h"
#include "quantizers.h"
#include "reference.h"

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A buffer of n 16-bit numbers; the guard stands behind the last float it lies in. */
static uint16_t *halves(checker *c, size_t n) { return (uint16_t *)(void *)output(c, (n + 1) / 2); }

static double from_bf16(uint16_t bits) { return (double)from_bits((uint32_t)bits << 16); }

/* What the checks of one format differ in. */
typedef struct {
    void (*narrow)(size_t n, const float *x, uint16_t *y);
    void (*widen)(size_t n, const uint16_t *x, float *y);
    double (*rounded)(double x);
    double (*value)(uint16_t bits);
    const uint32_t *special; /* ties and their neighbours; about the largest number; NaN */
    size_t special_count;
    int low, high; /* exponents of the numbers that are neither zero nor infinite, and two more */
} format;

static format bf16_format(const checker *c) {
    static const uint32_t special[] = {0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x7F7F7FFF,
                                       0x7F7F8000, 0xFF7FFFFF, 0x7F800001, 0xFFFFFFFF, 0x7F800000,
                                       0x00008000, 0x00000001, 0x80000000, 0x00018000};
    return (format){.narrow = c->k->bf16_from_f32,
                    .widen = c->k->f32_from_bf16,
                    .rounded = ref_bfloat16,
                    .value = from_bf16,
                    .special = special,
                    .special_count = sizeof special / sizeof *special,
                    .low = 0,
                    .high = 255};
}

/* Specials: 1 + 2^-11, 1 + 3 * 2^-11 and neighbours; 65519, 65520, 65504; 2^-25 (a tie to zero) and
 * neighbours, 3 * 2^-25; the largest subnormal and what rounds up from it; NaN, infinity, -0. */
static format f16_format(const checker *c) {
    static const uint32_t special[] = {0x3F801000, 0x3F803000, 0x3F800FFF, 0x3F801001, 0x477FEF00,
                                       0x477FF000, 0xC77FE000, 0x33000000, 0x33000001, 0x32FFFFFF,
                                       0x33C00000, 0x387FC000, 0x387FE000, 0x7F800001, 0xFFFFFFFF,
                                       0x7F800000, 0xFF800000, 0x80000000, 0x00000001, 0x47800000};
    return (format){.narrow = c->k->f16_from_f32,
                    .widen = c->k->f32_from_f16,
                    .rounded = ref_half,
                    .value = half_value,
                    .special = special,
                    .special_count = sizeof special / sizeof *special,
                    .low = 127 - 26,
                    .high = 127 + 17};
}

/* Random bits, so that every exponent and NaN occurs; exponents of the format; specials. */
static float *patterns(checker *c, size_t n, const format *f) {
    float *x = output(c, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)random_bits(c);
        uint32_t exponent = (uint32_t)(f->low + (int)random_below(c, (size_t)(f->high - f->low)));
        size_t kind = random_below(c, 3);
        if (kind == 1) bits = (bits & 0x807FFFFF) | exponent << 23;
        if (kind == 2) bits = f->special[random_below(c, f->special_count)];
        x[i] = from_bits(bits);
    }
    return x;
}

static void check_narrow(checker *c, format f) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu", n[i]);
        float *x = patterns(c, n[i], &f);
        uint16_t *y = halves(c, n[i]), behind = n[i] % 2 ? y[n[i]] : 0;
        f.narrow(n[i], x, y);
        for (size_t j = 0; j < n[i]; j++) {
            expect(c, "y", j, f.value(y[j]), f.rounded((double)x[j]), 0);
            bool negative = y[j] >> 15;
            expect_true(c, "sign of y", j, negative == (signbit(x[j]) != 0));
        }
        if (n[i] % 2) expect_true(c, "what stands behind y", n[i], y[n[i]] == behind);
        case_end(c);
    }
}

static void check_widen(checker *c, format f) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu", n[i]);
        uint16_t *x = halves(c, n[i]);
        for (size_t j = 0; j < n[i]; j++) x[j] = (uint16_t)random_bits(c);
        float *y = output(c, n[i]);
        f.widen(n[i], x, y);
        for (size_t j = 0; j < n[i]; j++) {
            expect(c, "y", j, (double)y[j], f.value(x[j]), 0);
            expect_true(c, "sign of y", j, (signbit(y[j]) != 0) == (x[j] >> 15));
        }
        case_end(c);
    }
}

void check_bf16_from_f32(checker *c) { check_narrow(c, bf16_format(c)); }
void check_f32_from_bf16(checker *c) { check_widen(c, bf16_format(c)); }
void check_f16_from_f32(checker *c) { check_narrow(c, f16_format(c)); }
void check_f32_from_f16(checker *c) { check_widen(c, f16_format(c)); }
