// Formats records with snprintf and parses them back: numbers, words, escapes.
//
// Stresses: byte-wise loads and branches, the C library's formatted output, strtol and strtod, small allocations.
// Argument: the number of thousands of records. Prints sums of what was parsed.

#include "workload.h"
#include <ctype.h>
#include <string.h>

typedef struct {
    long number;
    double fraction;
    size_t letters;
    uint64_t text;
} Totals;

static int format_record(char *line, size_t space, uint64_t draw) {
    static const char *const words[] = {"alpha", "be\\ta", "gam,ma", "del\"ta", "epsilon", "zeta\tzeta", "", "eta"};
    return snprintf(line, space, "{\"id\":%ld,\"ratio\":%.6f,\"hex\":\"%08x\",\"word\":\"%s-%s\"}",
                    (long)(int32_t)(draw >> 32), (double)(draw & 0xfffff) / 1024.0, (unsigned)draw,
                    words[draw >> 7 & 7], words[draw >> 21 & 7]);
}

// Reads the value behind `"name":` up to the comma or brace that ends it.
static const char *value_of(const char *line, const char *name) {
    size_t length = strlen(name);
    for (const char *at = strchr(line, '"'); at != NULL; at = strchr(at + 1, '"')) {
        if (strncmp(at + 1, name, length) == 0 && at[length + 1] == '"' && at[length + 2] == ':') {
            return at + length + 3;
        }
    }
    fprintf(stderr, "strings: no \"%s\" in %s\n", name, line);
    exit(1);
}

static void parse_record(const char *line, Totals *totals) {
    totals->number += strtol(value_of(line, "id"), NULL, 10);
    totals->fraction += strtod(value_of(line, "ratio"), NULL);
    totals->number ^= (long)strtoul(value_of(line, "hex") + 1, NULL, 16);
    char *word = strdup(value_of(line, "word") + 1);
    if (word == NULL) {
        perror("strings");
        exit(1);
    }
    word[strlen(word) - 2] = '\0'; // the closing quote and brace
    for (char *at = word; *at != '\0'; at++) {
        if (isalpha((unsigned char)*at)) {
            *at = (char)toupper((unsigned char)*at);
            totals->letters++;
        }
        totals->text = checksum(totals->text, (uint8_t)*at);
    }
    free(word);
}

int main(int argc, char **argv) {
    unsigned long thousands = size_argument(argc, argv, 450);
    uint64_t random = 5;
    Totals totals = {.text = CHECKSUM_START};
    for (unsigned long i = 0; i < thousands * 1000; i++) {
        char line[160];
        int length = format_record(line, sizeof line, next_random(&random));
        if (length < 0 || (size_t)length >= sizeof line) {
            fprintf(stderr, "strings: record does not fit\n");
            return 1;
        }
        parse_record(line, &totals);
    }
    printf("strings %lu: number %ld, fraction %.3f, %lu letters, text %016llx\n", thousands, totals.number,
           totals.fraction, (unsigned long)totals.letters, (unsigned long long)totals.text);
    return 0;
}
