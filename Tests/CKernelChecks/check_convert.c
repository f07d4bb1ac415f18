/* Checks of conversions between float32 and bfloat16. */
#include "checks.h"
#include "reference.h"

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A buffer of n bfloat16 numbers; the guard stands behind the last float it lies in. */
static uint16_t *halves(checker *c, size_t n) { return (uint16_t *)(void *)output(c, (n + 1) / 2); }

/* Random bit patterns, so that every exponent and NaN occurs; ties and their neighbours; the
 * largest numbers, which round to infinity. */
static float *patterns(checker *c, size_t n) {
    static const uint32_t special[] = {0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x7F7F7FFF,
                                       0x7F7F8000, 0xFF7FFFFF, 0x7F800001, 0xFFFFFFFF, 0x7F800000,
                                       0x00008000, 0x00000001, 0x80000000, 0x00018000};
    enum { SPECIALS = sizeof special / sizeof *special };
    float *x = output(c, n);
    for (size_t i = 0; i < n; i++)
        x[i] = from_bits(random_below(c, 3) ? (uint32_t)random_bits(c)
                                            : special[random_below(c, SPECIALS)]);
    return x;
}

void check_bf16_from_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu", n[i]);
        float *x = patterns(c, n[i]);
        uint16_t *y = halves(c, n[i]), behind = n[i] % 2 ? y[n[i]] : 0;
        c->k->bf16_from_f32(n[i], x, y);
        for (size_t j = 0; j < n[i]; j++) {
            double found = (double)from_bits((uint32_t)y[j] << 16);
            expect(c, "y", j, found, ref_bfloat16((double)x[j]), 0);
        }
        if (n[i] % 2) expect_true(c, "what stands behind y", n[i], y[n[i]] == behind);
        case_end(c);
    }
}

void check_f32_from_bf16(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu", n[i]);
        uint16_t *x = halves(c, n[i]);
        for (size_t j = 0; j < n[i]; j++) x[j] = (uint16_t)random_bits(c);
        float *y = output(c, n[i]), *wanted = output(c, n[i]);
        for (size_t j = 0; j < n[i]; j++) wanted[j] = from_bits((uint32_t)x[j] << 16);
        c->k->f32_from_bf16(n[i], x, y);
        expect_same(c, "y", n[i], y, wanted);
        case_end(c);
    }
}
