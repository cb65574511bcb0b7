// A hash map with open addressing: linear probing, deletion by shifting later entries back, growth by doubling.
//
// Stresses: loads that miss the cache, integer multiplication, loops of unpredictable length.
// Argument: the number of thousands of operations. Prints hits, the final count and a checksum of what is left.

#include "workload.h"

typedef struct {
    uint64_t key; // 0 marks a free slot; keys in use are never 0
    uint64_t value;
} Slot;

typedef struct {
    Slot *slots;
    size_t capacity; // a power of two
    size_t count;
} Map;

static size_t home(const Map *map, uint64_t key) {
    uint64_t mixed = key * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(mixed >> 32) & (map->capacity - 1);
}

static size_t after(const Map *map, size_t at) {
    return (at + 1) & (map->capacity - 1);
}

static void map_open(Map *map, size_t capacity) {
    map->slots = calloc(capacity, sizeof *map->slots);
    if (map->slots == NULL) {
        perror("hashmap");
        exit(1);
    }
    map->capacity = capacity;
    map->count = 0;
}

// The slot that holds `key`, or the free one where it would go.
static Slot *find(const Map *map, uint64_t key) {
    size_t at = home(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key) {
        at = after(map, at);
    }
    return &map->slots[at];
}

static void insert(Map *map, uint64_t key, uint64_t value);

static void grow(Map *map) {
    Map larger;
    map_open(&larger, map->capacity * 2);
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key != 0) {
            insert(&larger, map->slots[i].key, map->slots[i].value);
        }
    }
    free(map->slots);
    *map = larger;
}

static void insert(Map *map, uint64_t key, uint64_t value) {
    if (map->count * 4 >= map->capacity * 3) {
        grow(map);
    }
    Slot *slot = find(map, key);
    map->count += slot->key == 0;
    *slot = (Slot){key, value};
}

// Frees the slot of `key` and closes the gap: an entry further on moves back when its home does not lie behind the gap.
static int delete(Map *map, uint64_t key) {
    Slot *found = find(map, key);
    if (found->key == 0) {
        return 0;
    }
    size_t gap = (size_t)(found - map->slots);
    for (size_t at = after(map, gap); map->slots[at].key != 0; at = after(map, at)) {
        size_t from_home = (at - home(map, map->slots[at].key)) & (map->capacity - 1);
        size_t from_gap = (at - gap) & (map->capacity - 1);
        if (from_home >= from_gap) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap].key = 0;
    map->count--;
    return 1;
}

int main(int argc, char **argv) {
    unsigned long thousands = size_argument(argc, argv, 25000);
    Map map;
    map_open(&map, 16);
    uint64_t random = 7;
    uint64_t hits = 0, deleted = 0;
    for (unsigned long i = 0; i < thousands * 1000; i++) {
        uint64_t draw = next_random(&random);
        uint64_t key = (draw >> 8) % 300000 + 1;
        switch (draw % 8) {
        case 0:
        case 1:
        case 2:
            insert(&map, key, draw);
            break;
        case 3:
        case 4:
            deleted += (uint64_t)delete(&map, key);
            break;
        default:
            hits += find(&map, key)->key != 0;
        }
    }
    uint64_t sum = CHECKSUM_START;
    for (uint64_t key = 1; key <= 300000; key++) {
        const Slot *slot = find(&map, key);
        if (slot->key != 0) {
            sum = checksum(sum, slot->value);
        }
    }
    printf("hashmap %lu: %llu hits, %llu deleted, %lu left, checksum %016llx\n", thousands, (unsigned long long)hits,
           (unsigned long long)deleted, (unsigned long)map.count, (unsigned long long)sum);
    free(map.slots);
    return 0;
}
