/* channel_worker SOCKET PLUGIN: connects to a SOCK_SEQPACKET socket, receives D, W and the doorbell, maps them as a sandboxed
 * worker would and serves. Exit codes: those of wy_worker_run, 2 when it never came so far. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/worker.h"

static int receive(const char *path, int fds[3]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -1;
    }
    char byte;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * 3)];
    } control;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    if (recvmsg(fd, &header, 0) != 1 || header.msg_controllen != sizeof(control.bytes)) {
        return -1;
    }
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int) * 3);
    return close(fd);
}

static void *map(int fd, uint64_t address, int protection, uint64_t *bytes) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return NULL;
    }
    *bytes = (uint64_t)facts.st_size;
    void *result = mmap((void *)(uintptr_t)address, *bytes, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    (void)close(fd);
    return result == MAP_FAILED ? NULL : result;
}

int main(int count, char **arguments) {
    int fds[3];
    wy_error error;
    wy_image *image;
    if (count != 3 || receive(arguments[1], fds) != 0) {
        return 2;
    }
    if (wy_image_load(arguments[2], &image, &error) != WY_OK) {
        dprintf(2, "%s: %s\n", error.where, error.message);
        return 2;
    }
    /* The daemon's file must not be writable here, whatever is tried. */
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0) != MAP_FAILED) {
        return 3;
    }
    uint64_t d_bytes, w_bytes;
    int moved = fcntl(fds[2], F_DUPFD, 10); /* out of the way of 3 */
    (void)close(fds[2]);
    wy_channel_header *d = map(fds[0], WY_CHANNEL_D_ADDRESS, PROT_READ, &d_bytes);
    wy_channel_header *w = map(fds[1], WY_CHANNEL_W_ADDRESS, PROT_READ | PROT_WRITE, &w_bytes);
    if (d == NULL || w == NULL || dup2(moved, WY_WORKER_FD_DOORBELL) < 0 || close(moved) != 0) {
        return 2;
    }
    if (wy_worker_open(d, d_bytes, w, w_bytes, &error) != WY_OK) {
        dprintf(2, "%s: %s\n", error.where, error.message);
        return 2;
    }
    return wy_worker_run(image, d, w);
}
