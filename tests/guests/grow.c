// Allocates pieces of 1 MiB until there is no more, then prints "grew by N MiB, then ENOMEM" and returns 0.
//
// N is below the limit that the runner sets on linear memory, maybe by far: this C library's allocator asks for ever larger
// pieces, and gives up at the first one that it does not get. It stops just below 2 GiB by itself. Each piece is written to at its end, so that memory that was promised but is not there
// shows. Freed pieces must be usable again: if they are not, it prints that on standard error and ends with 1.

#include "errno_name.h"
#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define MOST_PIECES 4096

int main(void) {
    static char *pieces[MOST_PIECES];
    int count = 0;
    while (count < MOST_PIECES && (pieces[count] = malloc(PIECE_BYTES)) != NULL) {
        pieces[count++][PIECE_BYTES - 1] = 1;
    }
    printf("grew by %d MiB, then %s\n", count, errno_name(errno));
    for (int i = 0; i < count; i++) {
        free(pieces[i]);
    }
    if (count > 0 && malloc(PIECE_BYTES) == NULL) {
        fputs("grow: freed memory cannot be allocated again\n", stderr);
        return 1;
    }
    return 0;
}
