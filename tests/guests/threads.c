// Threads without a C library that knows them: this does what such a library does, in short. The linker's part is real:
// data comes to the memory once, with whichever thread is first, and each thread has variables of its own.
//
//   threads        counts with four threads under a lock
//   threads trap   a thread traps while the main one waits
//   threads exit   a thread exits with 7 while the main one waits
//
// build: -mcpu=generic+atomics+bulk_memory -Wl,--import-memory,--export-memory,--shared-memory,--max-memory=33554432
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define TIMES 1000
#define STACK 65536

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int32_t thread_spawn(void *argument);

// What a new thread begins with; the assembly below knows the first two.
struct start {
    void *stack;
    void *tls;
    void (*function)(struct start *);
    int tid;
    int counted;
    atomic_int ended;
};

// A thread begins without a stack and without variables of its own.
__asm__(".globaltype __stack_pointer, i32\n"
        ".functype __wasm_init_tls (i32) -> ()\n"
        ".functype thread_main (i32, i32) -> ()\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".globl wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        "  .functype wasi_thread_start (i32, i32) -> ()\n"
        "  local.get 1\n"
        "  i32.load 0\n"
        "  global.set __stack_pointer\n"
        "  local.get 1\n"
        "  i32.load 4\n"
        "  call __wasm_init_tls\n"
        "  local.get 0\n"
        "  local.get 1\n"
        "  call thread_main\n"
        "  end_function\n");

static atomic_int lock;
static int total;
static _Thread_local int counted = 1;

static void wait_while(atomic_int *place, int value) {
    while (atomic_load(place) == value)
        __builtin_wasm_memory_atomic_wait32((int *)place, value, -1);
}

static void wake(atomic_int *place) {
    __builtin_wasm_memory_atomic_notify((int *)place, -1);
}

__attribute__((used)) void thread_main(int tid, struct start *start) {
    start->tid = tid;
    start->function(start);
    atomic_store(&start->ended, 1);
    wake(&start->ended);
}

static void count(struct start *start) {
    for (int i = 0; i < TIMES; i++) {
        int free = 0;
        while (!atomic_compare_exchange_strong(&lock, &free, 1)) {
            wait_while(&lock, 1);
            free = 0;
        }
        total++;
        counted++;
        atomic_store(&lock, 0);
        wake(&lock);
    }
    start->counted = counted;
}

static void trap(struct start *start) {
    (void)start;
    __builtin_trap();
}

static void leave(struct start *start) {
    (void)start;
    exit(7);
}

static void begin(struct start *start, void (*function)(struct start *)) {
    memset(start, 0, sizeof *start);
    char *stack = aligned_alloc(16, STACK);
    start->stack = stack + STACK;
    start->tls = aligned_alloc(16, 1024);
    start->function = function;
    if (!stack || !start->tls || __builtin_wasm_tls_size() > 1024 || thread_spawn(start) < 1) {
        fprintf(stderr, "threads: cannot start a thread\n");
        exit(99);
    }
}

int main(int argc, char **argv) {
    static struct start starts[THREADS];
    const char *what = argc > 1 ? argv[1] : "count";
    int threads = strcmp(what, "count") ? 1 : THREADS;
    for (int i = 0; i < threads; i++)
        begin(&starts[i], !strcmp(what, "trap") ? trap : !strcmp(what, "exit") ? leave : count);
    for (int i = 0; i < threads; i++) {
        wait_while(&starts[i].ended, 0);
        printf("thread %d counted to %d\n", starts[i].tid, starts[i].counted);
    }
    printf("together %d, the main thread %d\n", total, counted);
}
