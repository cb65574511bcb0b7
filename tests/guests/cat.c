// Copies standard input to standard output, byte for byte, until its end.
//
// Prints nothing of its own but "cat: ERRNO" on standard error, with exit code 1, when reading or writing fails.

#include "errno_name.h"
#include <stdio.h>
#include <unistd.h>

static int fail(void) {
    fputs("cat: ", stderr);
    fputs(errno_name(errno), stderr);
    fputs("\n", stderr);
    return 1;
}

int main(void) {
    static char buffer[16384];
    for (;;) {
        ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
        if (length == 0) {
            return 0;
        }
        if (length < 0) {
            return fail();
        }
        for (ssize_t written = 0; written < length;) {
            ssize_t count = write(STDOUT_FILENO, buffer + written, (size_t)(length - written));
            if (count < 0) {
                return fail();
            }
            written += count;
        }
    }
}
