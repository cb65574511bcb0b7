// Matrix multiplication, n by n, once in f32 and once in f64, with 128-bit vectors.
//
// Stresses: v128 loads and stores, splat, lane-wise arithmetic. The scalar counterpart is matmul.c.
// build: -msimd128
// Argument: n, a multiple of 4.

#define DEFAULT_SIZE 1440
#include "matmul.h"
#include <wasm_simd128.h>

// Four rows of `right` at a time: one load and one store of `product` then serve four multiplications.
void multiply_f32(const float *left, const float *right, float *product, size_t n) {
    for (size_t row = 0; row < n; row++) {
        float *out = product + row * n;
        for (size_t column = 0; column < n; column += 4) {
            wasm_v128_store(out + column, wasm_f32x4_const_splat(0.0f));
        }
        for (size_t inner = 0; inner < n; inner += 4) {
            const float *factors = left + row * n + inner;
            v128_t factor0 = wasm_f32x4_splat(factors[0]), factor1 = wasm_f32x4_splat(factors[1]);
            v128_t factor2 = wasm_f32x4_splat(factors[2]), factor3 = wasm_f32x4_splat(factors[3]);
            const float *in = right + inner * n;
            for (size_t column = 0; column < n; column += 4) {
                v128_t sum = wasm_v128_load(out + column);
                sum = wasm_f32x4_add(sum, wasm_f32x4_mul(factor0, wasm_v128_load(in + column)));
                sum = wasm_f32x4_add(sum, wasm_f32x4_mul(factor1, wasm_v128_load(in + n + column)));
                sum = wasm_f32x4_add(sum, wasm_f32x4_mul(factor2, wasm_v128_load(in + 2 * n + column)));
                sum = wasm_f32x4_add(sum, wasm_f32x4_mul(factor3, wasm_v128_load(in + 3 * n + column)));
                wasm_v128_store(out + column, sum);
            }
        }
    }
}

void multiply_f64(const double *left, const double *right, double *product, size_t n) {
    for (size_t row = 0; row < n; row++) {
        double *out = product + row * n;
        for (size_t column = 0; column < n; column += 2) {
            wasm_v128_store(out + column, wasm_f64x2_const_splat(0.0));
        }
        for (size_t inner = 0; inner < n; inner += 2) {
            const double *factors = left + row * n + inner;
            v128_t factor0 = wasm_f64x2_splat(factors[0]), factor1 = wasm_f64x2_splat(factors[1]);
            const double *in = right + inner * n;
            for (size_t column = 0; column < n; column += 2) {
                v128_t sum = wasm_v128_load(out + column);
                sum = wasm_f64x2_add(sum, wasm_f64x2_mul(factor0, wasm_v128_load(in + column)));
                sum = wasm_f64x2_add(sum, wasm_f64x2_mul(factor1, wasm_v128_load(in + n + column)));
                wasm_v128_store(out + column, sum);
            }
        }
    }
}
