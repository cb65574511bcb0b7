// Traps with `unreachable` three calls below its start: _start -> outer -> middle -> inner.
//
// Built with debug information, so that a backtrace can name the functions and their lines here. Prints "before the trap"
// first, which must not be lost.
//
// Does without a C library and without headers: they would bring a hundred times as much debug information, and the paths of
// the machine it was built on with it.
// build: -g -O1 -nostdlib -Wl,--no-entry

typedef __SIZE_TYPE__ Size;

typedef struct {
    const void *bytes;
    Size length;
} Slice;

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) unsigned short
fd_write(unsigned fd, const Slice *slices, Size count, Size *written);

// What the compiler must neither inline nor drop, or the backtrace would lose a frame.
#define FRAME __attribute__((noinline))

static volatile int depth;

FRAME static void inner(void) {
    depth++;
    __builtin_trap();
}

FRAME static void middle(void) {
    depth++;
    inner();
    depth--;
}

FRAME static void outer(void) {
    depth++;
    middle();
    depth--;
}

__attribute__((export_name("_start"))) void start(void) {
    static const char text[] = "before the trap\n";
    Slice slice = {text, sizeof text - 1};
    Size written;
    fd_write(1, &slice, 1, &written);
    outer();
}
