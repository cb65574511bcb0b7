// The name of an errno value, such as "ENOENT": names are what tests compare, since texts and numbers differ by C library.

#ifndef ERRNO_NAME_H
#define ERRNO_NAME_H

#include <errno.h>

static inline const char *errno_name(int value) {
    switch (value) {
#define NAMED(name) \
    case name:      \
        return #name;
        NAMED(EACCES)
        NAMED(EAGAIN)
        NAMED(EBADF)
        NAMED(EBUSY)
        NAMED(EEXIST)
        NAMED(EFBIG)
        NAMED(EILSEQ)
        NAMED(EINTR)
        NAMED(EINVAL)
        NAMED(EIO)
        NAMED(EISDIR)
        NAMED(ELOOP)
        NAMED(EMLINK)
        NAMED(ENAMETOOLONG)
        NAMED(ENFILE)
        NAMED(ENODEV)
        NAMED(ENOENT)
        NAMED(ENOMEM)
        NAMED(ENOSPC)
        NAMED(ENOSYS)
        NAMED(ENOTCAPABLE)
        NAMED(ENOTDIR)
        NAMED(ENOTEMPTY)
        NAMED(ENOTSUP)
        NAMED(EPERM)
        NAMED(EPIPE)
        NAMED(EROFS)
        NAMED(ESPIPE)
        NAMED(EXDEV)
#undef NAMED
    default:
        return "an errno without a name here";
    }
}

#endif
