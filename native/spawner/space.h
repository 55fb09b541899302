/* Writable space of a worker on the disk: a file system of bounded size in a sparse file, mounted by way of a loop device.
 *
 * A space serves one worker and never another one: nothing has to be scrubbed. Nothing of it has a name: its file is
 * made without one, its mount is attached in the worker's mount namespace only, and its loop device clears itself. So
 * the kernel takes all of it away with the last descriptor and the last process, however these ended.
 *
 * A process of the spawner's own (the maker) makes and clears spaces, as both take long; a few are made ahead. */
#ifndef WAYANG_SPAWNER_SPACE_H
#define WAYANG_SPAWNER_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "spawner/protocol.h"

#define WY_SPACE_LEAST_BYTES (UINT64_C(1048576) * WY_SPACE_LEAST_MIB)
#define WY_SPACE_SPARES 4

typedef struct wy_space {
    uint64_t bytes; /* 0: none */
    int mount_fd;   /* of the file system, attached nowhere until its worker does so */
    int file_fd;    /* the sparse file: to know what it takes of the disk, and to take that back at once */
} wy_space;

typedef struct wy_spaces {
    bool usable;
    char why_not[160]; /* "" or why there are none */
    char directory[256];
    int directory_fd, socket_fd; /* socket_fd: to the maker, -1 while there is none */
    pid_t maker;
    uint64_t last_bytes;     /* asked for last: what is asked for twice is made ahead */
    bool making_ahead;       /* one is under way */
    wy_space spares[WY_SPACE_SPARES];
} wy_spaces;

/* What is there to make them with; never fails: `usable` and `why_not` say what came of it. `directory` NULL: none wanted. */
void wy_spaces_open(wy_spaces *spaces, const char *directory, bool root);

/* Ends the maker and lets go of what was made ahead. */
void wy_spaces_close(wy_spaces *spaces);

/* Below: between the spawner and its maker (space_maker.c), datagrams over one socket pair. */
typedef enum wy_space_verb { WY_SPACE_MAKE = 1, WY_SPACE_CLEAR = 2 /* fds: [mount, file] */ } wy_space_verb;

typedef struct wy_space_request {
    uint32_t verb;
    uint32_t reserved;
    uint64_t worker_id; /* 0: made ahead */
    uint64_t bytes;
} wy_space_request;

typedef struct wy_space_answer { /* fds: [mount, file] if error.status is WY_OK */
    uint64_t worker_id, bytes;
    wy_error error;
} wy_space_answer;

/* In a process of its own, until the socket ends. */
_Noreturn void wy_space_maker_run(int socket_fd, int directory_fd);

/* space_image.c, in a child of the maker. Blocks for as long as the disk takes. */
wy_status wy_space_make(int directory_fd, uint64_t bytes, wy_space *out, wy_error *error);
void wy_space_clear(int mount_fd, int file_fd);

/* Why there is no program to make file systems with, or NULL. */
const char *wy_space_formatter(void);

#endif
