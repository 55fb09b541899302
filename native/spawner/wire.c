#include "spawner/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void take_descriptors(struct msghdr *message, wy_datagram *out) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (out->fd_count < WY_WIRE_MAX_FDS) {
                out->fds[out->fd_count++] = fd;
            } else { /* cannot be: the control buffer holds WY_WIRE_MAX_FDS. Never leak, whatever the kernel says */
                close(fd);
                out->truncated = 1;
            }
        }
    }
}

wy_status wy_wire_receive(int socket_fd, void *buffer, size_t capacity, wy_datagram *out) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WY_WIRE_MAX_FDS * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = buffer, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memset(out, 0, sizeof *out);
    ssize_t got;
    do {
        got = recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN) {
            return WY_EMPTY;
        }
        return errno == ECONNRESET ? WY_CLOSED : WY_SYSTEM;
    }
    take_descriptors(&message, out);
    out->length = (size_t)got;
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        out->truncated = 1;
    }
    /* An empty datagram and the end of file look alike on SEQPACKET; no correct peer sends an empty one, so a peer that
     * does is treated as one that hung up. */
    if (got == 0) {
        wy_datagram_close(out);
        return WY_CLOSED;
    }
    return WY_OK;
}

void wy_datagram_close(wy_datagram *datagram) {
    for (int i = 0; i < datagram->fd_count; i++) {
        if (datagram->fds[i] >= 0) {
            close(datagram->fds[i]);
        }
    }
    datagram->fd_count = 0;
}

wy_status wy_wire_send(int socket_fd, const void *bytes, size_t length, const int *fds, int fd_count) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WY_WIRE_MAX_FDS * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count < 0 || fd_count > WY_WIRE_MAX_FDS) {
        return WY_INVALID;
    }
    if (fd_count > 0) {
        size_t payload = (size_t)fd_count * sizeof(int);
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(payload);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(payload);
        memcpy(CMSG_DATA(c), fds, payload);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return WY_OK;
    }
    /* ETOOMANYREFS: too many descriptors in flight that the peer has not taken: waiting helps, as with a full buffer. */
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) {
        return WY_FULL;
    }
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? WY_CLOSED : WY_SYSTEM;
}
