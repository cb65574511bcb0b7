// Copies, moves and fills memory in pieces from 16 bytes to 256 KiB.
//
// Stresses: memory.copy and memory.fill. The lengths are not known to the compiler, which therefore cannot unroll them into
// loads and stores of its own.
// build: -mbulk-memory
// Argument: the number of rounds over all sizes. Prints a checksum of the memory.

#include "workload.h"
#include <string.h>

#define LARGEST ((size_t)1 << 18)

int main(int argc, char **argv) {
    unsigned long rounds = size_argument(argc, argv, 3500);
    uint8_t *from = malloc(LARGEST * 2), *to = malloc(LARGEST * 2);
    if (from == NULL || to == NULL) {
        perror("memops");
        return 1;
    }
    uint64_t random = 9;
    for (size_t i = 0; i < LARGEST * 2; i++) {
        from[i] = (uint8_t)next_random(&random);
        to[i] = 0;
    }
    for (unsigned long round = 0; round < rounds; round++) {
        for (size_t length = 16; length <= LARGEST; length *= 4) {
            // The same number of bytes at each size, so that short pieces, where the call itself costs most, count too.
            size_t pieces = LARGEST / length;
            for (size_t piece = 0; piece < pieces; piece++) {
                size_t at = (size_t)(next_random(&random) % LARGEST);
                memcpy(to + at, from + piece * length, length);
                memset(from + at, (int)(round + piece) & 0xff, length / 2);
                memmove(to + at / 2, to + at / 2 + 3, length);
            }
        }
    }
    uint64_t sum = CHECKSUM_START;
    for (size_t i = 0; i < LARGEST * 2; i++) {
        sum = checksum(sum, (uint64_t)from[i] << 8 | to[i]);
    }
    printf("memops %lu: checksum %016llx\n", rounds, (unsigned long long)sum);
    free(from);
    free(to);
    return 0;
}
