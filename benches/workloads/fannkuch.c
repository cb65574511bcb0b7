// Fannkuch: for every permutation of 1..10, reverse the first k numbers, where k is the number in front, until a 1 stands
// in front; the most reversals that any permutation needs is the answer.
//
// Stresses: short loops over a small array, branches that cannot be predicted.
// Argument: how many times all permutations are gone through, starting from another one each time. Prints the most
// reversals (38) and an alternating sum over all permutations.

#include "workload.h"

#define N 10

static int reversals(const uint8_t *permutation) {
    uint8_t line[N];
    for (int i = 0; i < N; i++) {
        line[i] = permutation[i];
    }
    int count = 0;
    while (line[0] != 0) {
        for (int low = 0, high = line[0]; low < high; low++, high--) {
            uint8_t moved = line[low];
            line[low] = line[high];
            line[high] = moved;
        }
        count++;
    }
    return count;
}

// Steps to the next permutation by Heap's method, one swap each; `counters` is its loop state, level by level. Returns 0
// after the last one.
static int next_permutation(uint8_t *permutation, uint8_t *counters) {
    for (int level = 1; level < N; level++) {
        if (counters[level] < level) {
            int other = (level & 1) != 0 ? counters[level] : 0;
            uint8_t moved = permutation[level];
            permutation[level] = permutation[other];
            permutation[other] = moved;
            counters[level]++;
            return 1;
        }
        counters[level] = 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    unsigned long rounds = size_argument(argc, argv, 4);
    int most = 0;
    int64_t sum = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        uint8_t permutation[N], counters[N] = {0};
        for (int i = 0; i < N; i++) {
            permutation[i] = (uint8_t)((i + round) % N);
        }
        int64_t weight = (int64_t)round + 1; // another one each time, lest the rounds cancel each other out
        do {
            int count = reversals(permutation);
            if (count > most) {
                most = count;
            }
            sum += weight * count;
            weight = -weight;
        } while (next_permutation(permutation, counters));
    }
    printf("fannkuch %lu: most %d, alternating sum %lld\n", rounds, most, (long long)sum);
    return 0;
}
