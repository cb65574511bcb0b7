// Writes single bytes to standard output, one fd_write each: what is measured is the price of a call into the host.
//
// Argument: the number of bytes. Writes the letters of the alphabet over and over, a line break after each 26.

#include "workload.h"
#include <unistd.h>

int main(int argc, char **argv) {
    unsigned long bytes = size_argument(argc, argv, 1000000);
    for (unsigned long i = 0; i < bytes; i++) {
        char byte = i % 27 == 26 ? '\n' : (char)('a' + i % 27);
        if (write(STDOUT_FILENO, &byte, 1) != 1) {
            perror("fd_write_bytes");
            return 1;
        }
    }
    return 0;
}
