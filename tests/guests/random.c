// Draws random bytes twice and checks that they look random: not the same twice, not all bits alike.
//
// Prints "random ok", or what is wrong and ends with exit code 1.

#include "errno_name.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BYTES 256

int main(void) {
    unsigned char first[BYTES] = {0}, second[BYTES] = {0};
    if (getentropy(first, BYTES) != 0 || getentropy(second, BYTES) != 0) {
        printf("random failed: %s\n", errno_name(errno));
        return 1;
    }
    if (memcmp(first, second, BYTES) == 0) {
        puts("random gave the same bytes twice");
        return 1;
    }
    int ones = 0;
    for (int i = 0; i < BYTES; i++) {
        ones += __builtin_popcount(first[i]) + __builtin_popcount(second[i]);
    }
    // Of 4096 fair bits 2048 are ones; 512 from that is sixteen standard deviations away.
    if (ones < 1536 || ones > 2560) {
        printf("random gave %d ones among 4096 bits\n", ones);
        return 1;
    }
    puts("random ok");
    return 0;
}
