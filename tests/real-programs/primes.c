// Prints primes; compiled by a compiler that itself runs in the runner.

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    int limit = 50;
    char *composite = calloc(limit + 1, 1);
    for (int n = 2; n <= limit; n++) {
        if (composite[n]) {
            continue;
        }
        printf("%d ", n);
        for (int multiple = n * n; multiple <= limit; multiple += n) {
            composite[multiple] = 1;
        }
    }
    printf("\n");
    return 5;
}
