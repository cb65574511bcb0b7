// Prints one line: what is measured is starting up and ending.
//
// Argument: how often the line is printed.

#include "workload.h"

int main(int argc, char **argv) {
    unsigned long lines = size_argument(argc, argv, 1);
    for (unsigned long i = 1; i <= lines; i++) {
        printf("hello, world %lu\n", i);
    }
    return 0;
}
