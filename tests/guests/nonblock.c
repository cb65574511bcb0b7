// Reads standard input without ever blocking in `read`: EAGAIN is answered by waiting in `poll`.
//
// Prints "waited" once when there was an EAGAIN, then "read N bytes" at the end of input. Any other error prints
// "nonblock: CALL: ERRNO" on standard error and ends with exit code 1.

#include "errno_name.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static int fail(const char *call) {
    fprintf(stderr, "nonblock: %s: %s\n", call, errno_name(errno));
    return 1;
}

int main(void) {
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    if (flags < 0 || fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK) != 0) {
        return fail("fcntl");
    }
    long total = 0;
    int waited = 0;
    for (;;) {
        char buffer[4096];
        ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
        if (length == 0) {
            break;
        }
        if (length > 0) {
            total += length;
            continue;
        }
        if (errno != EAGAIN) {
            return fail("read");
        }
        if (!waited) {
            puts("waited");
            fflush(stdout);
            waited = 1;
        }
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLRDNORM};
        if (poll(&input, 1, -1) < 0) {
            return fail("poll");
        }
    }
    printf("read %ld bytes\n", total);
    return 0;
}
