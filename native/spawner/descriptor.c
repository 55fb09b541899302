#include "spawner/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "channel/layout.h"

int wy_descriptor_is(int fd, const char *target) {
    char link[40], text[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, text, sizeof text - 1);
    if (length < 0) {
        return 0;
    }
    text[length] = 0;
    return strcmp(text, target) == 0;
}

static wy_status check_memory(int fd, int seals, uint64_t least, uint64_t most, const char *what, wy_error *error) {
    struct stat facts;
    int present = fcntl(fd, F_GET_SEALS); /* only memory files have seals: anything else is EINVAL */
    if (present < 0 || (present & seals) != seals) {
        return wy_fail(error, WY_INVALID, present < 0 ? errno : 0, "descriptor", "%s is not a memfd with the seals 0x%x",
                       what, (unsigned)seals);
    }
    if (fstat(fd, &facts) != 0 || facts.st_size < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "descriptor", "%s cannot be examined", what);
    }
    if ((uint64_t)facts.st_size < least || (uint64_t)facts.st_size > most) {
        return wy_fail(error, WY_TOO_BIG, 0, "descriptor", "%s has %lld bytes, allowed are %llu to %llu", what,
                       (long long)facts.st_size, (unsigned long long)least, (unsigned long long)most);
    }
    return WY_OK;
}

wy_status wy_check_sealed_memory(int fd, uint64_t max_bytes, const char *what, wy_error *error) {
    return check_memory(fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 1, max_bytes, what, error);
}

wy_status wy_check_channel_memory(int fd, const char *what, wy_error *error) {
    return check_memory(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
                        WY_CHANNEL_FILE_BYTES(WY_CHANNEL_MIN_SLOTS, 0),
                        WY_CHANNEL_FILE_BYTES(WY_CHANNEL_MAX_SLOTS, WY_CHANNEL_MAX_ARENA_BYTES), what, error);
}

wy_status wy_check_eventfd(int fd, const char *what, wy_error *error) {
    /* Newer kernels number them ("anon_inode:[eventfd]" stays the same); an O_PATH descriptor cannot look like it. */
    return wy_descriptor_is(fd, "anon_inode:[eventfd]")
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, "descriptor", "%s is not an eventfd", what);
}

wy_status wy_check_stream(int fd, const char *what, wy_error *error) {
    struct stat facts;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &facts) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "descriptor", "%s cannot be examined", what);
    }
    int good = S_ISFIFO(facts.st_mode) ||
               (S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(1, 3)) ||
               (S_ISREG(facts.st_mode) && fcntl(fd, F_GET_SEALS) >= 0);
    if (!good || (flags & O_PATH) != 0) {
        return wy_fail(error, WY_INVALID, 0, "descriptor", "%s is neither a pipe nor /dev/null nor a memfd", what);
    }
    return WY_OK;
}

wy_status wy_check_packet_socket(int fd, const char *what, wy_error *error) {
    int type = 0, domain = 0;
    socklen_t length = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
                   getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && type == SOCK_SEQPACKET && domain == AF_UNIX
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, what, "no unix socket of type SOCK_SEQPACKET");
}
