// What matmul.c and matmul_simd.c share: filling the matrices, checking and printing. Each defines the two
// multiplications and DEFAULT_SIZE.

#ifndef MATMUL_H
#define MATMUL_H

#include "workload.h"

void multiply_f32(const float *left, const float *right, float *product, size_t n);
void multiply_f64(const double *left, const double *right, double *product, size_t n);

static void *matrix(size_t n, size_t entry_bytes) {
    void *entries = malloc(n * n * entry_bytes);
    if (entries == NULL) {
        perror("matmul");
        exit(1);
    }
    return entries;
}

// A whole number from -8 to 7: products of these, summed over any n that can be run, are exact in f32.
static int small_number(uint64_t *random) {
    return (int)(next_random(random) >> 60) - 8;
}

static uint64_t run_f32(size_t n) {
    float *left = matrix(n, sizeof *left), *right = matrix(n, sizeof *right), *product = matrix(n, sizeof *product);
    uint64_t random = 3, sum = CHECKSUM_START;
    for (size_t i = 0; i < n * n; i++) {
        left[i] = (float)small_number(&random);
        right[i] = (float)small_number(&random);
    }
    multiply_f32(left, right, product, n);
    for (size_t i = 0; i < n * n; i++) {
        sum = checksum(sum, (uint64_t)(int64_t)product[i]);
    }
    free(left);
    free(right);
    free(product);
    return sum;
}

static uint64_t run_f64(size_t n) {
    double *left = matrix(n, sizeof *left), *right = matrix(n, sizeof *right), *product = matrix(n, sizeof *product);
    uint64_t random = 5, sum = CHECKSUM_START;
    for (size_t i = 0; i < n * n; i++) {
        left[i] = small_number(&random);
        right[i] = small_number(&random);
    }
    multiply_f64(left, right, product, n);
    for (size_t i = 0; i < n * n; i++) {
        sum = checksum(sum, (uint64_t)(int64_t)product[i]);
    }
    free(left);
    free(right);
    free(product);
    return sum;
}

int main(int argc, char **argv) {
    unsigned long n = size_argument(argc, argv, DEFAULT_SIZE);
    if (n % 4 != 0) {
        fprintf(stderr, "size must be a multiple of 4, found: %lu\n", n);
        return 2;
    }
    uint64_t f32 = run_f32(n), f64 = run_f64(n);
    printf("matmul %lu: f32 %016llx, f64 %016llx\n", n, (unsigned long long)f32, (unsigned long long)f64);
    return 0;
}

#endif
