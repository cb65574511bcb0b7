// Two sorts: quick sort of 32-bit integers in place, and a stable merge sort of structs through a comparison function.
//
// Stresses: branches that depend on data, recursion, copies of small structs, calls through a function pointer.
// Argument: the number of thousands of elements of each. Prints checksums of both; stops with 1 where an order is wrong.

#include "workload.h"
#include <string.h>

typedef struct {
    uint32_t group;
    uint32_t position; // where it stood before the sort, to show that equal groups kept their order
    char name[16];
} Record;

typedef int Compare(const Record *left, const Record *right);

static void swap(int32_t *left, int32_t *right) {
    int32_t moved = *left;
    *left = *right;
    *right = moved;
}

static void insertion_sort(int32_t *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        int32_t item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1] > item; at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
}

// Puts the median of the first, middle and last item in the middle, and returns it.
static int32_t median_of_three(int32_t *items, size_t count) {
    int32_t *first = items, *middle = items + count / 2, *last = items + count - 1;
    if (*middle < *first) {
        swap(middle, first);
    }
    if (*last < *middle) {
        swap(last, middle);
        if (*middle < *first) {
            swap(middle, first);
        }
    }
    return *middle;
}

// Recurses into the smaller part and goes round for the larger one, so that the depth stays logarithmic.
static void quick_sort(int32_t *items, size_t count) {
    while (count > 24) {
        int32_t pivot = median_of_three(items, count);
        size_t low = 0, high = count - 1;
        for (;;) {
            while (items[low] < pivot) {
                low++;
            }
            while (items[high] > pivot) {
                high--;
            }
            if (low >= high) {
                break;
            }
            swap(&items[low++], &items[high--]);
        }
        size_t left = low, right = count - low;
        if (left < right) {
            quick_sort(items, left);
            items += left;
            count = right;
        } else {
            quick_sort(items + left, right);
            count = left;
        }
    }
    insertion_sort(items, count);
}

static void merge_sort(Record *items, Record *spare, size_t count, Compare *compare) {
    if (count < 2) {
        return;
    }
    size_t half = count / 2;
    merge_sort(items, spare, half, compare);
    merge_sort(items + half, spare, count - half, compare);
    memcpy(spare, items, half * sizeof *items);
    size_t left = 0, right = half, out = 0;
    while (left < half && right < count) {
        items[out++] = compare(&spare[left], &items[right]) <= 0 ? spare[left++] : items[right++];
    }
    memcpy(items + out, spare + left, (half - left) * sizeof *items);
}

static int by_group(const Record *left, const Record *right) {
    return (left->group > right->group) - (left->group < right->group);
}

static int by_name(const Record *left, const Record *right) {
    return strcmp(left->name, right->name);
}

static uint64_t sort_integers(size_t count, uint64_t *random) {
    int32_t *items = malloc(count * sizeof *items);
    if (items == NULL) {
        perror("sort");
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = (int32_t)next_random(random);
    }
    quick_sort(items, count);
    uint64_t sum = CHECKSUM_START;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && items[i - 1] > items[i]) {
            fprintf(stderr, "sort: integers out of order at %lu\n", (unsigned long)i);
            exit(1);
        }
        sum = checksum(sum, (uint32_t)items[i]);
    }
    free(items);
    return sum;
}

static uint64_t sort_records(size_t count, uint64_t *random) {
    Record *items = malloc(count * sizeof *items);
    Record *spare = malloc(count * sizeof *spare);
    if (items == NULL || spare == NULL) {
        perror("sort");
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t draw = next_random(random);
        items[i].group = (uint32_t)(draw % 1000);
        snprintf(items[i].name, sizeof items[i].name, "r%08x", (unsigned)(draw >> 32));
    }
    merge_sort(items, spare, count, by_name);
    for (size_t i = 0; i < count; i++) {
        items[i].position = (uint32_t)i;
    }
    merge_sort(items, spare, count, by_group);
    uint64_t sum = CHECKSUM_START;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (items[i - 1].group > items[i].group ||
                      (items[i - 1].group == items[i].group && items[i - 1].position > items[i].position))) {
            fprintf(stderr, "sort: records out of order at %lu\n", (unsigned long)i);
            exit(1);
        }
        sum = checksum(checksum(sum, items[i].group), items[i].position);
    }
    free(items);
    free(spare);
    return sum;
}

int main(int argc, char **argv) {
    unsigned long thousands = size_argument(argc, argv, 1500);
    uint64_t random = 42;
    uint64_t integers = sort_integers(thousands * 1000, &random);
    uint64_t records = sort_records(thousands * 1000, &random);
    printf("sort %lu: integers %016llx, records %016llx\n", thousands, (unsigned long long)integers,
           (unsigned long long)records);
    return 0;
}
