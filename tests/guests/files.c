// Does one thing to the file system, which the arguments name:
//
//   files create PATH TEXT    makes a new file; fails when there is one
//   files write PATH TEXT     replaces what is in the file, which it makes when there is none
//   files append PATH TEXT    writes behind the end
//   files read PATH           prints what is in the file
//   files readat PATH OFFSET  prints what is in the file from a byte onwards
//   files truncate PATH SIZE  cuts or extends the file
//   files stat PATH           prints "file SIZE", "directory" or "symlink TARGET"; does not follow a link at the end
//   files list PATH           prints the names in a directory, sorted, "/" behind those of directories
//   files mkdir PATH          files rmdir PATH          files unlink PATH
//   files rename FROM TO      files link FROM TO        files symlink TARGET PATH
//
// TEXT is written without a line break. What fails prints "files: OPERATION PATH: ERRNO" on standard error and ends with
// exit code 1; wrong usage ends with 2.

#include "errno_name.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Each operation gets its path and its last argument, which is empty when there is none, and returns 0, or -1 with errno.
typedef int Operation(const char *path, const char *argument);

static int put(const char *path, const char *text, int flags) {
    int file = open(path, O_WRONLY | flags, 0666);
    if (file < 0) {
        return -1;
    }
    size_t length = strlen(text);
    ssize_t written = write(file, text, length);
    if (close(file) != 0 || written < 0) {
        return -1;
    }
    if ((size_t)written != length) {
        errno = EIO;
        return -1;
    }
    return 0;
}

static int create_file(const char *path, const char *text) {
    return put(path, text, O_CREAT | O_EXCL);
}

static int write_file(const char *path, const char *text) {
    return put(path, text, O_CREAT | O_TRUNC);
}

static int append_file(const char *path, const char *text) {
    return put(path, text, O_APPEND);
}

static int read_from(const char *path, off_t offset) {
    int file = open(path, O_RDONLY);
    if (file < 0) {
        return -1;
    }
    char buffer[4096];
    ssize_t length = -1;
    if (lseek(file, offset, SEEK_SET) == offset) {
        while ((length = read(file, buffer, sizeof buffer)) > 0) {
            fwrite(buffer, 1, (size_t)length, stdout);
        }
    }
    return length < 0 ? -1 : close(file);
}

static int read_file(const char *path, const char *argument) {
    (void)argument;
    return read_from(path, 0);
}

static int read_file_at(const char *path, const char *offset) {
    return read_from(path, atoll(offset));
}

static int truncate_file(const char *path, const char *size) {
    return truncate(path, atoll(size));
}

static int print_stat(const char *path, const char *argument) {
    (void)argument;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return -1;
    }
    if (S_ISDIR(status.st_mode)) {
        puts("directory");
    } else if (S_ISLNK(status.st_mode)) {
        char target[1024];
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) {
            return -1;
        }
        target[length] = '\0';
        printf("symlink %s\n", target);
    } else {
        printf("file %lld\n", (long long)status.st_size);
    }
    return 0;
}

static int shown(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int list_directory(const char *path, const char *argument) {
    (void)argument;
    struct dirent **entries;
    int count = scandir(path, &entries, shown, alphasort);
    for (int i = 0; i < count; i++) {
        printf("%s%s\n", entries[i]->d_name, entries[i]->d_type == DT_DIR ? "/" : "");
    }
    return count < 0 ? -1 : 0;
}

static int make_directory(const char *path, const char *argument) {
    (void)argument;
    return mkdir(path, 0777);
}

static int remove_directory(const char *path, const char *argument) {
    (void)argument;
    return rmdir(path);
}

static int remove_file(const char *path, const char *argument) {
    (void)argument;
    return unlink(path);
}

static const struct {
    const char *name;
    int arguments;
    Operation *run;
} operations[] = {
    {"create", 2, create_file},     {"write", 2, write_file},       {"append", 2, append_file},
    {"read", 1, read_file},         {"readat", 2, read_file_at},    {"truncate", 2, truncate_file},
    {"stat", 1, print_stat},        {"list", 1, list_directory},    {"mkdir", 1, make_directory},
    {"rmdir", 1, remove_directory}, {"unlink", 1, remove_file},     {"rename", 2, rename},
    {"link", 2, link},              {"symlink", 2, symlink},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(argv[1], operations[i].name) == 0 && argc == 2 + operations[i].arguments) {
            if (operations[i].run(argv[2], argc > 3 ? argv[3] : "") != 0) {
                fprintf(stderr, "files: %s %s: %s\n", argv[1], argv[2], errno_name(errno));
                return 1;
            }
            return 0;
        }
    }
    fputs("usage: files OPERATION PATH [ARGUMENT]\n", stderr);
    return 2;
}
