/* See mg_checksum.h. Portable slicing-by-8; the CPU's own CRC instruction would be faster, but a
 * checkpoint is bounded by the disk, not by this. */
#include "mg_checksum.h"
#include <string.h>

/* table[k][b]: the effect of byte b followed by k zero bytes. 8 KB. */
static uint32_t table[8][256];

/* Runs before main, hence before any thread. */
__attribute__((constructor)) static void build_table(void) {
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t r = b;
        for (int bit = 0; bit < 8; bit++) r = r >> 1 ^ (r & 1 ? 0x82F63B78u : 0);
        table[0][b] = r;
    }
    for (uint32_t b = 0; b < 256; b++) {
        for (int k = 1; k < 8; k++) {
            uint32_t r = table[k - 1][b];
            table[k][b] = r >> 8 ^ table[0][r & 255];
        }
    }
}

uint32_t mg_crc32c(uint32_t crc, const void *data, size_t n) {
    const unsigned char *p = data;
    uint32_t r = ~crc;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + 4, 4);
        low ^= r;
        r = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
            table[4][low >> 24] ^ table[3][high & 255] ^ table[2][high >> 8 & 255] ^
            table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
#endif
    for (; n > 0; n--, p++) r = r >> 8 ^ table[0][(r ^ *p) & 255];
    return ~r;
}
