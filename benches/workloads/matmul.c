// Matrix multiplication, n by n, once in f32 and once in f64, in scalar code.
//
// Stresses: loads, multiplications and additions of floats in a tight loop, address arithmetic.
// matmul_simd.c does the same with 128-bit vectors. For the same n both print the same line, because the small whole
// numbers in the matrices keep every sum exact whatever the order of additions. The vectorizers are off so that this one is
// scalar with any compiler.
// build: -fno-vectorize -fno-slp-vectorize
// Argument: n, a multiple of 4.

#define DEFAULT_SIZE 1120
#include "matmul.h"

void multiply_f32(const float *left, const float *right, float *product, size_t n) {
    for (size_t row = 0; row < n; row++) {
        for (size_t column = 0; column < n; column++) {
            product[row * n + column] = 0.0f;
        }
        for (size_t inner = 0; inner < n; inner++) {
            float factor = left[row * n + inner];
            for (size_t column = 0; column < n; column++) {
                product[row * n + column] += factor * right[inner * n + column];
            }
        }
    }
}

void multiply_f64(const double *left, const double *right, double *product, size_t n) {
    for (size_t row = 0; row < n; row++) {
        for (size_t column = 0; column < n; column++) {
            product[row * n + column] = 0.0;
        }
        for (size_t inner = 0; inner < n; inner++) {
            double factor = left[row * n + inner];
            for (size_t column = 0; column < n; column++) {
                product[row * n + column] += factor * right[inner * n + column];
            }
        }
    }
}
