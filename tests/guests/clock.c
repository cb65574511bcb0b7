// Checks the clocks: that they tick, how finely, and that sleeping takes as long as asked for.
//
// Prints "realtime ok", "monotonic ok", "resolution ok" and "sleep ok", one per line; instead of "ok" what is wrong, and
// then ends with exit code 1.

#include <stdio.h>
#include <time.h>

#define SLEEP_MILLISECONDS 30

static int failed = 0;

static void check(const char *what, int holds, const char *problem) {
    printf("%s %s\n", what, holds ? "ok" : problem);
    failed |= !holds;
}

static long long milliseconds_between(struct timespec start, struct timespec end) {
    return (end.tv_sec - start.tv_sec) * 1000LL + (end.tv_nsec - start.tv_nsec) / 1000000;
}

int main(void) {
    struct timespec now = {0}, start = {0}, end = {0}, resolution = {0};
    // 2024-01-01: before this guest was written, so any later clock is at least plausible.
    int known = clock_gettime(CLOCK_REALTIME, &now) == 0;
    check("realtime", known && now.tv_sec > 1704067200, "is before the year 2024");

    known = clock_gettime(CLOCK_MONOTONIC, &start) == 0 && clock_gettime(CLOCK_MONOTONIC, &end) == 0;
    int forward = end.tv_sec > start.tv_sec || (end.tv_sec == start.tv_sec && end.tv_nsec >= start.tv_nsec);
    check("monotonic", known && forward, "went back");

    known = clock_getres(CLOCK_MONOTONIC, &resolution) == 0;
    check("resolution", known && resolution.tv_sec == 0 && resolution.tv_nsec > 0, "is not between 0 and 1 s");

    struct timespec pause = {.tv_nsec = SLEEP_MILLISECONDS * 1000000L};
    clock_gettime(CLOCK_MONOTONIC, &start);
    int slept = nanosleep(&pause, NULL) == 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    // No upper limit that a busy machine could miss: 10 s only tells a wrong unit.
    long long took = milliseconds_between(start, end);
    check("sleep", slept && took >= SLEEP_MILLISECONDS && took < 10000, "took another time than asked for");
    return failed;
}
