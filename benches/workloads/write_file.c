// Writes a file in blocks of 64 KiB, each of them as a head of 64 bytes and the rest, as programs write records: what is
// measured is getting bytes out of linear memory.
//
// Arguments: the file, which is made or emptied, and how many MiB to write (1024 when not given). The file is no longer
// than one MiB, written over and over: filling a disk is another question. Prints how much was written and a sum over
// what is in the file afterwards. Also compiles as a program of the host's.

#include "workload.h"
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK_BYTES 65536
#define HEAD_BYTES 64
#define BLOCKS_PER_MIB 16

static int failed(const char *what) {
    perror(what);
    return 1;
}

// Writes all of the buffers; some runners write less in a call.
static int write_all(int file, struct iovec *bufs, int count) {
    while (count > 0) {
        ssize_t written = writev(file, bufs, count);
        if (written < 0) return -1;
        for (; count > 0 && (size_t)written >= bufs->iov_len; bufs++, count--) written -= bufs->iov_len;
        if (count > 0) {
            bufs->iov_base = (char *)bufs->iov_base + written;
            bufs->iov_len -= (size_t)written;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: write_file FILE [MIB]\n");
        return 2;
    }
    unsigned long mib = size_argument(argc - 1, argv + 1, 1024);
    int file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) return failed(argv[1]);
    static uint8_t head[HEAD_BYTES], rest[BLOCK_BYTES - HEAD_BYTES];
    memset(rest, 'r', sizeof rest);
    for (unsigned long i = 0; i < mib; i++) {
        if (lseek(file, 0, SEEK_SET) != 0) return failed(argv[1]);
        for (uint32_t j = 0; j < BLOCKS_PER_MIB; j++) {
            memcpy(head, &j, sizeof j);
            struct iovec block[2] = {{head, sizeof head}, {rest, sizeof rest}};
            if (write_all(file, block, 2) != 0) return failed(argv[1]);
        }
    }
    if (lseek(file, 0, SEEK_SET) != 0) return failed(argv[1]);
    uint64_t sum = CHECKSUM_START;
    ssize_t count;
    while ((count = read(file, rest, sizeof rest)) > 0) {
        for (ssize_t i = 0; i < count; i++) sum = checksum(sum, rest[i]);
    }
    if (count < 0) return failed(argv[1]);
    close(file);
    printf("write_file %lu: checksum %016llx\n", mib, (unsigned long long)sum);
    return 0;
}
