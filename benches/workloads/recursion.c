// Three recursive functions that do little but call: Fibonacci, Ackermann, and Takeuchi's.
//
// Stresses: direct calls, prologues and epilogues, stack depth (Ackermann goes some thousand frames deep).
// Argument: how many times all three are computed. Prints the sums of their results.

#include "workload.h"

// The compiler must neither inline these nor see through their arguments, or there would be few calls left.
#define CALLED __attribute__((noinline))

CALLED static uint32_t fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

CALLED static uint32_t ackermann(uint32_t m, uint32_t n) {
    if (m == 0) {
        return n + 1;
    }
    if (n == 0) {
        return ackermann(m - 1, 1);
    }
    return ackermann(m - 1, ackermann(m, n - 1));
}

CALLED static int32_t takeuchi(int32_t x, int32_t y, int32_t z) {
    if (y >= x) {
        return z;
    }
    return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

int main(int argc, char **argv) {
    unsigned long rounds = size_argument(argc, argv, 80);
    uint64_t fibonacci_sum = 0, ackermann_sum = 0, takeuchi_sum = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        uint32_t parity = (uint32_t)i & 1;
        fibonacci_sum += fibonacci(30 + parity);
        ackermann_sum += ackermann(2 + parity, 9);
        takeuchi_sum += (uint64_t)takeuchi(18 + (int32_t)parity, 12, 6);
    }
    printf("recursion %lu: fibonacci %llu, ackermann %llu, takeuchi %llu\n", rounds, (unsigned long long)fibonacci_sum,
           (unsigned long long)ackermann_sum, (unsigned long long)takeuchi_sum);
    return 0;
}
