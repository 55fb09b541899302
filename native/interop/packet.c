#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interop/interop.h"

typedef union control_buffer {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int) * WAYANG_MAX_PACKET_FDS)];
} control_buffer;

int32_t wayang_packet_pair(int32_t *fds, wayang_error *error) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "socketpair", "no socket pair");
    }
    return WY_OK;
}

int32_t wayang_packet_send(int32_t socket, const void *message, int32_t length, const int32_t *fds, int32_t fd_count,
                           wayang_error *error) {
    if (length <= 0 || fd_count < 0 || fd_count > WAYANG_MAX_PACKET_FDS) {
        return (int32_t)wy_fail(wy_error_of(error), WY_INVALID, 0, "sendmsg", "1 byte or more, at most %d descriptors",
                                WAYANG_MAX_PACKET_FDS);
    }
    control_buffer control;
    struct iovec vector = {.iov_base = (void *)(uintptr_t)message, .iov_len = (size_t)length};
    struct msghdr header;
    memset(&header, 0, sizeof(header));
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (fd_count > 0) {
        memset(&control, 0, sizeof(control));
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        memcpy(CMSG_DATA(part), fds, sizeof(int) * (size_t)fd_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return WY_OK;
    }
    switch (errno) {
    case EAGAIN:
    case ENOBUFS:
        return WY_FULL;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return WY_CLOSED;
    default:
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "sendmsg", "cannot send %d bytes", length);
    }
}

/* Moves what came into `fds`; returns how many came, which may be more than the room: the rest is closed. */
static int32_t take_descriptors(struct msghdr *header, int32_t *fds, int32_t capacity) {
    int32_t count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int), count++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
            if (count < capacity) {
                fds[count] = fd;
            } else {
                (void)close(fd);
            }
        }
    }
    return count;
}

int32_t wayang_packet_receive(int32_t socket, void *buffer, int32_t capacity, int32_t *fds, int32_t fd_capacity,
                              int32_t *length, int32_t *fd_count, wayang_error *error) {
    control_buffer control;
    struct iovec vector = {.iov_base = buffer, .iov_len = capacity > 0 ? (size_t)capacity : 0};
    struct msghdr header;
    memset(&header, 0, sizeof(header));
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof(control.bytes);
    *length = 0;
    *fd_count = 0;
    ssize_t received;
    do {
        received = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
        if (errno == EAGAIN) {
            return WY_EMPTY;
        }
        return errno == ECONNRESET || errno == ENOTCONN
                   ? WY_CLOSED
                   : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "recvmsg", "cannot receive");
    }
    int32_t room = fd_capacity > 0 ? fd_capacity : 0;
    int32_t count = take_descriptors(&header, fds, room);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || count > room) {
        for (int32_t i = 0; i < count && i < room; i++) {
            (void)close(fds[i]);
        }
        return (int32_t)wy_fail(wy_error_of(error), WY_TOO_BIG, 0, "recvmsg", "a packet over %d bytes or %d descriptors",
                                capacity, room);
    }
    if (received == 0) {
        return WY_CLOSED; /* nobody sends empty packets */
    }
    *length = (int32_t)received;
    *fd_count = count;
    return WY_OK;
}
