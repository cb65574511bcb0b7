// Writes lines to standard output until nobody reads them any more.
//
// A closed pipe prints "write_loop: EPIPE" on standard error and ends with exit code 3; any other error prints its name
// and ends with 4. Stops with 0 after as many lines as the argument says (10 million by default), lest it fills a disk.

#include "errno_name.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static const char line[] = "a line that is written again and again\n";
    long lines = argc > 1 ? atol(argv[1]) : 10000000;
    for (long i = 0; i < lines; i++) {
        if (write(STDOUT_FILENO, line, sizeof line - 1) < 0) {
            int error = errno;
            fputs("write_loop: ", stderr);
            fputs(errno_name(error), stderr);
            fputs("\n", stderr);
            return error == EPIPE ? 3 : 4;
        }
    }
    return 0;
}
