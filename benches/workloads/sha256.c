// SHA-256 (FIPS 180-4) over a buffer of pseudo-random bytes, each digest folded into the next message.
//
// Stresses: 32-bit rotations, exclusive ors and additions, a working set that should stay in registers.
// Argument: the number of messages of 64 KiB. Prints the last digest. The digest of "abc" is checked first.

#include "workload.h"
#include <math.h>
#include <string.h>

#define MESSAGE_BYTES 65536

typedef struct {
    uint32_t state[8];
    uint32_t constants[64];
} Sha256;

static uint32_t rotate_right(uint32_t word, int by) {
    return word >> by | word << (32 - by);
}

// The first 32 bits of the fraction of a root, which is how the standard defines its constants. For primes below 312 the
// integer part is small enough for f64 to hold all the bits that are asked for.
static uint32_t fraction_bits(double root) {
    return (uint32_t)((root - floor(root)) * 4294967296.0);
}

static void start(Sha256 *hash) {
    int found = 0;
    for (int candidate = 2; found < 64; candidate++) {
        int is_prime = 1;
        for (int divisor = 2; divisor * divisor <= candidate; divisor++) {
            is_prime &= candidate % divisor != 0;
        }
        if (is_prime) {
            if (found < 8) {
                hash->state[found] = fraction_bits(sqrt(candidate));
            }
            hash->constants[found++] = fraction_bits(cbrt(candidate));
        }
    }
}

static void absorb_block(Sha256 *hash, const uint8_t block[64]) {
    uint32_t schedule[64];
    for (int i = 0; i < 16; i++) {
        const uint8_t *bytes = block + 4 * i;
        schedule[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t early = schedule[i - 15], late = schedule[i - 2];
        uint32_t sigma0 = rotate_right(early, 7) ^ rotate_right(early, 18) ^ early >> 3;
        uint32_t sigma1 = rotate_right(late, 17) ^ rotate_right(late, 19) ^ late >> 10;
        schedule[i] = schedule[i - 16] + sigma0 + schedule[i - 7] + sigma1;
    }
    uint32_t a = hash->state[0], b = hash->state[1], c = hash->state[2], d = hash->state[3];
    uint32_t e = hash->state[4], f = hash->state[5], g = hash->state[6], h = hash->state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t first = h + sum1 + choice + hash->constants[i] + schedule[i];
        uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + sum0 + majority;
    }
    hash->state[0] += a, hash->state[1] += b, hash->state[2] += c, hash->state[3] += d;
    hash->state[4] += e, hash->state[5] += f, hash->state[6] += g, hash->state[7] += h;
}

static void digest_of(const uint8_t *message, size_t length, uint8_t digest[32]) {
    static Sha256 initial;
    if (initial.state[0] == 0) {
        start(&initial);
    }
    Sha256 hash = initial;
    size_t whole = length / 64 * 64;
    for (size_t at = 0; at < whole; at += 64) {
        absorb_block(&hash, message + at);
    }
    // The rest, a 1 bit, zeros, and the length in bits: one block, or two where they do not fit into one.
    uint8_t last[128] = {0};
    size_t rest = length - whole;
    size_t padded = rest < 56 ? 64 : 128;
    memcpy(last, message + whole, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++) {
        last[padded - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    }
    for (size_t at = 0; at < padded; at += 64) {
        absorb_block(&hash, last + at);
    }
    for (int i = 0; i < 32; i++) {
        digest[i] = (uint8_t)(hash.state[i / 4] >> (24 - i % 4 * 8));
    }
}

static void print_hex(const uint8_t digest[32]) {
    for (int i = 0; i < 32; i++) {
        printf("%02x", digest[i]);
    }
    putchar('\n');
}

int main(int argc, char **argv) {
    unsigned long messages = size_argument(argc, argv, 3000);
    uint8_t digest[32];
    digest_of((const uint8_t *)"abc", 3, digest);
    printf("sha256 of \"abc\": ");
    print_hex(digest);

    static uint8_t message[MESSAGE_BYTES];
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)next_random(&random);
    }
    for (unsigned long i = 0; i < messages; i++) {
        memcpy(message, digest, sizeof digest);
        digest_of(message, sizeof message, digest);
    }
    printf("sha256 %lu: ", messages);
    print_hex(digest);
    return 0;
}
