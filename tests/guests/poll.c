// Waits until standard input can be read, but not longer than its argument says, in milliseconds (100 by default).
//
// Prints "ready" when there is something to read or the end of input, "timeout" when the time is over, and "hangup" when
// the other end is gone and nothing is left. An error prints "poll: ERRNO" on standard error and ends with 1; a timeout
// that came too early prints so and ends with 1 too.

#include "errno_name.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int timeout = argc > 1 ? atoi(argv[1]) : 100;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLRDNORM};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int count = poll(&input, 1, timeout);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (count < 0) {
        fprintf(stderr, "poll: %s\n", errno_name(errno));
        return 1;
    }
    if (count > 0) {
        puts((input.revents & POLLRDNORM) != 0 ? "ready" : "hangup");
        return 0;
    }
    long long took = (end.tv_sec - start.tv_sec) * 1000LL + (end.tv_nsec - start.tv_nsec) / 1000000;
    if (took < timeout) {
        fprintf(stderr, "poll: timed out after %lld ms of %d\n", took, timeout);
        return 1;
    }
    puts("timeout");
    return 0;
}
