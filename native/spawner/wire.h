/* Datagrams with descriptors over SOCK_SEQPACKET. All descriptors are received CLOEXEC. */
#ifndef WAYANG_SPAWNER_WIRE_H
#define WAYANG_SPAWNER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define WY_WIRE_MAX_FDS 16 /* room for more than any message may carry, so that too many are counted, not cut */

typedef struct wy_datagram {
    size_t length;
    int truncated;  /* data or descriptors did not fit: never use it */
    int fd_count;
    int fds[WY_WIRE_MAX_FDS]; /* owned by the receiver: wy_datagram_close, or set to -1 what is kept */
} wy_datagram;

/* WY_OK, WY_EMPTY (nothing there now), WY_CLOSED (end of file or a dead peer) or WY_SYSTEM. Never blocks. */
wy_status wy_wire_receive(int socket_fd, void *buffer, size_t capacity, wy_datagram *out);
void wy_datagram_close(wy_datagram *datagram);

/* WY_OK, WY_FULL (would block), WY_CLOSED or WY_SYSTEM (errno is kept). Never blocks, never raises SIGPIPE. */
wy_status wy_wire_send(int socket_fd, const void *bytes, size_t length, const int *fds, int fd_count);

#endif
