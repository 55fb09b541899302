/* What a descriptor that came from the daemon really is. A worker receives only what these let through: no directory, no
 * socket and no device may slip into a sandbox as "standard input". */
#ifndef WAYANG_SPAWNER_DESCRIPTOR_H
#define WAYANG_SPAWNER_DESCRIPTOR_H

#include <stdint.h>

#include "base/status.h"

#define WY_SOURCE_MAX_BYTES (256u * 1024u * 1024u) /* of a plugin's file */

/* A memfd sealed WRITE | SHRINK | GROW | SEAL of 1 to max_bytes bytes: it cannot change while it is read. */
wy_status wy_check_sealed_memory(int fd, uint64_t max_bytes, const char *what, wy_error *error);

/* A memfd sealed SHRINK | GROW | SEAL (its size cannot change) of a size that a channel may have. */
wy_status wy_check_channel_memory(int fd, const char *what, wy_error *error);

wy_status wy_check_eventfd(int fd, const char *what, wy_error *error);

/* A unix socket of type SOCK_SEQPACKET. */
wy_status wy_check_packet_socket(int fd, const char *what, wy_error *error);

/* Pipe, /dev/null or memfd. */
wy_status wy_check_stream(int fd, const char *what, wy_error *error);

/* 1 if /proc/self/fd/FD reads `target`. */
int wy_descriptor_is(int fd, const char *target);

#endif
