// Spectral norm of the infinite matrix a(i, j) = 1 / ((i + j) (i + j + 1) / 2 + i + 1), cut off at n, by power iteration.
//
// Stresses: f64 division, conversion from integers, inner products over arrays.
// Argument: n. Prints the norm.

#include "workload.h"
#include <math.h>

#define ROUNDS 10

static double entry(unsigned long row, unsigned long column) {
    unsigned long diagonal = row + column;
    return 1.0 / (double)(diagonal * (diagonal + 1) / 2 + row + 1);
}

static void multiply(const double *in, double *out, unsigned long n) {
    for (unsigned long row = 0; row < n; row++) {
        double sum = 0.0;
        for (unsigned long column = 0; column < n; column++) {
            sum += entry(row, column) * in[column];
        }
        out[row] = sum;
    }
}

static void multiply_transposed(const double *in, double *out, unsigned long n) {
    for (unsigned long row = 0; row < n; row++) {
        double sum = 0.0;
        for (unsigned long column = 0; column < n; column++) {
            sum += entry(column, row) * in[column];
        }
        out[row] = sum;
    }
}

int main(int argc, char **argv) {
    unsigned long n = size_argument(argc, argv, 4500);
    double *guess = malloc(n * sizeof *guess);
    double *image = malloc(n * sizeof *image);
    double *between = malloc(n * sizeof *between);
    if (guess == NULL || image == NULL || between == NULL) {
        perror("spectral_norm");
        return 1;
    }
    for (unsigned long i = 0; i < n; i++) {
        guess[i] = 1.0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        multiply(guess, between, n);
        multiply_transposed(between, image, n);
        multiply(image, between, n);
        multiply_transposed(between, guess, n);
    }
    double mixed = 0.0, square = 0.0;
    for (unsigned long i = 0; i < n; i++) {
        mixed += guess[i] * image[i];
        square += image[i] * image[i];
    }
    printf("spectral_norm %lu: %.9f\n", n, sqrt(mixed / square));
    free(guess);
    free(image);
    free(between);
    return 0;
}
