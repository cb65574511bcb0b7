// Recurses until the stack is exhausted, which must end it with a trap. Prints "descending" first; never returns normally.
//
// The recursion takes no addresses of locals, so that it uses up the stack of calls and not the one that C keeps in linear
// memory, whose end is an out-of-bounds access instead.

#include <stdio.h>

// Volatile: with a write behind the call that the compiler must keep, it can make no loop of the recursion.
static volatile unsigned last;
static volatile unsigned bottom = 0;

static __attribute__((noinline)) unsigned descend(unsigned level) {
    if (level == bottom) {
        return level;
    }
    unsigned below = descend(level + 1);
    last = below;
    return below ^ level;
}

int main(void) {
    puts("descending");
    fflush(stdout);
    descend(1);
    puts("came back");
    return 0;
}
