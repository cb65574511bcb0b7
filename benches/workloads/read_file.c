// Reads a file in blocks of 64 KiB: what is measured is copying from the host into linear memory.
//
// Arguments: the file, and how many times to read it (1 when not given). Prints its length and a sum over one word per
// block: summing every byte would measure the summing.

#include "workload.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: read_file FILE [TIMES]\n");
        return 2;
    }
    unsigned long times = size_argument(argc - 1, argv + 1, 1);
    int file = open(argv[1], O_RDONLY);
    if (file < 0) {
        perror(argv[1]);
        return 1;
    }
    static uint8_t block[BLOCK_BYTES];
    uint64_t length = 0, sum = CHECKSUM_START;
    for (unsigned long i = 0; i < times; i++) {
        if (lseek(file, 0, SEEK_SET) != 0) {
            perror(argv[1]);
            return 1;
        }
        ssize_t count;
        while ((count = read(file, block, sizeof block)) > 0) {
            uint64_t word = 0;
            memcpy(&word, block, (size_t)count < sizeof word ? (size_t)count : sizeof word);
            sum = checksum(sum, word);
            length += (uint64_t)count;
        }
        if (count < 0) {
            perror(argv[1]);
            return 1;
        }
    }
    close(file);
    printf("read_file %lu: %llu bytes, checksum %016llx\n", times, (unsigned long long)length, (unsigned long long)sum);
    return 0;
}
