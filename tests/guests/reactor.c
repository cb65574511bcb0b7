// A reactor: no main, but `_initialize`, and functions of each number type for the host to call.
//
//   add(i32, i32) -> i32    mul(f64, f64) -> f64    half(f32) -> f32    shift(i64, i32) -> i64    greet()    calls() -> i32
//
// `greet` prints "hello from the reactor". `calls` counts its own calls from 100 on: a static constructor sets it to 100,
// so 1 instead of 101 means that `_initialize` was never called.
// build: -mexec-model=reactor

#include <stdint.h>
#include <stdio.h>

#define EXPORT(name) __attribute__((export_name(#name)))

static int32_t count;

__attribute__((constructor)) static void set_up(void) {
    count = 100;
}

EXPORT(add) int32_t add(int32_t left, int32_t right) {
    return (int32_t)((uint32_t)left + (uint32_t)right);
}

EXPORT(mul) double mul(double left, double right) {
    return left * right;
}

EXPORT(half) float half(float value) {
    return value / 2.0f;
}

EXPORT(shift) int64_t shift(int64_t value, int32_t by) {
    return (int64_t)((uint64_t)value << (by & 63));
}

EXPORT(greet) void greet(void) {
    puts("hello from the reactor");
    fflush(stdout);
}

EXPORT(calls) int32_t calls(void) {
    return ++count;
}
