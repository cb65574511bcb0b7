// Calls through pointers: objects with tables of methods, and a table of functions picked by number.
//
// Stresses: call_indirect with its bounds and signature checks, at sites with one target and with many.
// Argument: the number of rounds over all objects. Prints a checksum of what the calls returned.

#include "workload.h"

#define OBJECTS 1024

typedef struct object Object;

typedef struct {
    uint32_t (*step)(Object *self, uint32_t input);
    uint32_t (*read)(const Object *self);
    double (*weight)(const Object *self, double scale);
} Methods;

struct object {
    const Methods *methods;
    uint32_t value;
    uint32_t extra;
};

static uint32_t counter_step(Object *self, uint32_t input) {
    return self->value += input & 7;
}

static uint32_t shifter_step(Object *self, uint32_t input) {
    return self->value = self->value << 1 ^ (self->value >> 31) ^ input;
}

static uint32_t adder_step(Object *self, uint32_t input) {
    self->extra += self->value;
    return self->value = self->extra ^ input;
}

static uint32_t keeper_step(Object *self, uint32_t input) {
    if (input > self->value) {
        self->value = input >> 1;
    }
    return self->value;
}

static uint32_t plain_read(const Object *self) {
    return self->value;
}

static uint32_t mixed_read(const Object *self) {
    return self->value ^ self->extra;
}

static double half_weight(const Object *self, double scale) {
    return scale * 0.5 + (double)(self->value & 0xff);
}

static double whole_weight(const Object *self, double scale) {
    return scale - (double)(self->extra & 0xff);
}

static const Methods kinds[] = {
    {counter_step, plain_read, half_weight},
    {shifter_step, plain_read, whole_weight},
    {adder_step, mixed_read, whole_weight},
    {keeper_step, mixed_read, half_weight},
};

typedef uint32_t Operation(uint32_t left, uint32_t right);

static uint32_t plus(uint32_t left, uint32_t right) {
    return left + right;
}

static uint32_t minus(uint32_t left, uint32_t right) {
    return left - right;
}

static uint32_t times(uint32_t left, uint32_t right) {
    return left * (right | 1);
}

static uint32_t either(uint32_t left, uint32_t right) {
    return left ^ right;
}

static uint32_t turned(uint32_t left, uint32_t right) {
    return left << (right & 15) | left >> (31 - (right & 15)) >> 1;
}

// Not const: what stands in a constant table the compiler could call directly.
static Operation *volatile operations[] = {plus, minus, times, either, turned};

int main(int argc, char **argv) {
    unsigned long rounds = size_argument(argc, argv, 80000);
    static Object objects[OBJECTS];
    uint64_t random = 11;
    for (int i = 0; i < OBJECTS; i++) {
        uint64_t draw = next_random(&random);
        objects[i] = (Object){&kinds[draw % 4], (uint32_t)(draw >> 8), (uint32_t)(draw >> 32)};
    }
    uint32_t carried = 1;
    double weight = 0.0;
    uint64_t sum = CHECKSUM_START;
    for (unsigned long round = 0; round < rounds; round++) {
        for (int i = 0; i < OBJECTS; i++) {
            Object *object = &objects[i];
            carried = object->methods->step(object, carried);
            carried = operations[i % 5](carried, object->methods->read(object));
            if (i % 16 == 0) {
                weight = object->methods->weight(object, weight);
            }
        }
        sum = checksum(sum, carried);
    }
    printf("dispatch %lu: checksum %016llx, weight %.6f\n", rounds, (unsigned long long)sum, weight);
    return 0;
}
