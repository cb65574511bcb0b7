// An interpreter: one loop around one switch runs a program for a small register machine, which sieves primes and counts
// Collatz steps.
//
// Stresses: br_table in a loop, loads that depend on each other, indirect jumps that are hard to predict.
// Argument: the largest number looked at. Prints what the interpreted program computed and how many instructions it took.

#include "workload.h"
#include <string.h>

enum opcode {
    OP_SET,    // a = constant
    OP_MOVE,   // a = b
    OP_ADD,    // a = b + c
    OP_ADDI,   // a = b + constant
    OP_MUL,    // a = b * c
    OP_HALF,   // a = b / 2
    OP_ODD,    // a = b % 2
    OP_LOAD,   // a = memory[b]
    OP_STORE,  // memory[b] = a
    OP_JUMP,   // go to constant
    OP_IF,     // when a is not 0 go to constant
    OP_UNLESS, // when a is 0 go to constant
    OP_LESS,   // a = b < c
    OP_MIX,    // a = checksum of a and b
    OP_HALT,
};

typedef struct {
    uint8_t opcode, a, b, c;
    int32_t constant;
} Instruction;

#define SET(a, k) {OP_SET, a, 0, 0, k}
#define MOVE(a, b) {OP_MOVE, a, b, 0, 0}
#define ADD(a, b, c) {OP_ADD, a, b, c, 0}
#define ADDI(a, b, k) {OP_ADDI, a, b, 0, k}
#define MUL(a, b, c) {OP_MUL, a, b, c, 0}
#define HALF(a, b) {OP_HALF, a, b, 0, 0}
#define ODD(a, b) {OP_ODD, a, b, 0, 0}
#define LOAD(a, b) {OP_LOAD, a, b, 0, 0}
#define STORE(a, b) {OP_STORE, a, b, 0, 0}
#define JUMP(k) {OP_JUMP, 0, 0, 0, k}
#define IF(a, k) {OP_IF, a, 0, 0, k}
#define UNLESS(a, k) {OP_UNLESS, a, 0, 0, k}
#define LESS(a, b, c) {OP_LESS, a, b, c, 0}
#define MIX(a, b) {OP_MIX, a, b, 0, 0}
#define HALT {OP_HALT, 0, 0, 0, 0}

// The registers. LIMIT and the start of SUM are set from outside.
enum { LIMIT, N, M, ONE, TEST, PRIMES, STEPS, SUM, REGISTERS };

static const Instruction program[] = {
    /*  0 */ SET(ONE, 1),
    /*  1 */ SET(N, 2), // the sieve: memory[m] = 1 for each multiple m of a prime
    /*  2 */ LESS(TEST, N, LIMIT),
    /*  3 */ UNLESS(TEST, 16),
    /*  4 */ LOAD(TEST, N),
    /*  5 */ IF(TEST, 14),
    /*  6 */ ADDI(PRIMES, PRIMES, 1),
    /*  7 */ MIX(SUM, N),
    /*  8 */ MUL(M, N, N),
    /*  9 */ LESS(TEST, M, LIMIT),
    /* 10 */ UNLESS(TEST, 14),
    /* 11 */ STORE(ONE, M),
    /* 12 */ ADD(M, M, N),
    /* 13 */ JUMP(9),
    /* 14 */ ADDI(N, N, 1),
    /* 15 */ JUMP(2),
    /* 16 */ SET(N, 1), // Collatz: halve the even, triple the odd and add one, until 1
    /* 17 */ MOVE(M, N),
    /* 18 */ LESS(TEST, ONE, M),
    /* 19 */ UNLESS(TEST, 29),
    /* 20 */ ADDI(STEPS, STEPS, 1),
    /* 21 */ ODD(TEST, M),
    /* 22 */ IF(TEST, 25),
    /* 23 */ HALF(M, M),
    /* 24 */ JUMP(18),
    /* 25 */ ADD(TEST, M, M),
    /* 26 */ ADD(M, TEST, M),
    /* 27 */ ADDI(M, M, 1),
    /* 28 */ JUMP(18),
    /* 29 */ MIX(SUM, STEPS),
    /* 30 */ ADDI(N, N, 1),
    /* 31 */ LESS(TEST, N, LIMIT),
    /* 32 */ IF(TEST, 17),
    /* 33 */ HALT,
};

// Runs the program until it halts; returns the number of instructions.
static uint64_t run(uint64_t *registers, uint8_t *memory) {
    uint64_t count = 0;
    for (const Instruction *next = program;; count++) {
        const Instruction *now = next++;
        uint64_t *a = &registers[now->a];
        uint64_t b = registers[now->b], c = registers[now->c];
        switch ((enum opcode)now->opcode) {
        case OP_SET:
            *a = (uint64_t)now->constant;
            break;
        case OP_MOVE:
            *a = b;
            break;
        case OP_ADD:
            *a = b + c;
            break;
        case OP_ADDI:
            *a = b + (uint64_t)now->constant;
            break;
        case OP_MUL:
            *a = b * c;
            break;
        case OP_HALF:
            *a = b / 2;
            break;
        case OP_ODD:
            *a = b % 2;
            break;
        case OP_LOAD:
            *a = memory[b];
            break;
        case OP_STORE:
            memory[b] = (uint8_t)*a;
            break;
        case OP_JUMP:
            next = program + now->constant;
            break;
        case OP_IF:
            if (*a != 0) {
                next = program + now->constant;
            }
            break;
        case OP_UNLESS:
            if (*a == 0) {
                next = program + now->constant;
            }
            break;
        case OP_LESS:
            *a = b < c;
            break;
        case OP_MIX:
            *a = checksum(*a, b);
            break;
        case OP_HALT:
            return count;
        }
    }
}

int main(int argc, char **argv) {
    unsigned long limit = size_argument(argc, argv, 600000);
    uint8_t *memory = calloc(limit, 1);
    if (memory == NULL) {
        perror("interp");
        return 1;
    }
    uint64_t registers[REGISTERS] = {[LIMIT] = limit, [SUM] = CHECKSUM_START};
    uint64_t count = run(registers, memory);
    printf("interp %lu: %llu primes, %llu steps, checksum %016llx, %llu instructions\n", limit,
           (unsigned long long)registers[PRIMES], (unsigned long long)registers[STEPS],
           (unsigned long long)registers[SUM], (unsigned long long)count);
    free(memory);
    return 0;
}
