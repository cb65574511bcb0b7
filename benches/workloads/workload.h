// What every workload shares: the size argument, reproducible random numbers, and a checksum.
//
// A workload prints what it computed and nothing that depends on the machine or on time, so that two runners can be held
// against each other line by line.

#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// The size of the problem: the first argument, or `fallback` when there is none. Anything but a whole number above zero
// ends the program with exit code 2, lest a mistyped size is measured as if it were the default.
static inline unsigned long size_argument(int argc, char **argv, unsigned long fallback) {
    if (argc < 2) {
        return fallback;
    }
    char *end;
    unsigned long size = strtoul(argv[1], &end, 10);
    if (argv[1][0] < '0' || argv[1][0] > '9' || *end != '\0' || size == 0) {
        fprintf(stderr, "size must be a whole number above zero, found: %s\n", argv[1]);
        exit(2);
    }
    return size;
}

// Reproducible random numbers (splitmix64): a counter with a fixed stride, scrambled by a bijection of 64-bit words.
static inline uint64_t next_random(uint64_t *state) {
    uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

// A checksum (FNV-1a over 64-bit words) that depends on the order of what is folded into it.
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t checksum(uint64_t sum, uint64_t word) {
    return (sum ^ word) * UINT64_C(0x100000001b3);
}

#endif
