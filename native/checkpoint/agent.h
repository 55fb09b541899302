/* The migration agent: one short-lived process for each capture and each restore, started by the spawner. It is the tracer: as long as it
 * lives the worker stays frozen. What it says and is told goes over a SOCK_SEQPACKET socket:
 *
 *   live:     as capture, but most of the stream is written while the worker runs (live.h); it stands still for a moment first, and
 *             for the rest. Where that cannot be done it is a capture: `rounds` is 0.
 *   capture:  freeze, write the stream, DONE.   GO, or the end of the socket: the worker goes on.
 *   describe: write the image's manifest, DONE; it ends. Nothing is frozen.
 *   restore:  freeze, READY, read the stream, DONE. GO: the worker goes on as the captured one. The end of the socket: it is killed.
 *
 * FAILED: nothing of it happened; a captured worker goes on, a restored one is killed. It ends when its worker has ended. */
#ifndef WAYANG_CHECKPOINT_AGENT_H
#define WAYANG_CHECKPOINT_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

#define WY_AGENT_FD_CONTROL 3
#define WY_AGENT_FD_STREAM 4
#define WY_AGENT_FD_PEER 5 /* the manifest of the zygote that it goes to; not open: its own */

typedef enum wy_agent_word {
    WY_AGENT_DONE = 1,
    WY_AGENT_FAILED = 2, /* `error` says why */
    WY_AGENT_READY = 3,  /* of a restore: the stream is read from now on as fast as it comes */
    WY_AGENT_GO = 16
} wy_agent_word;

typedef struct wy_agent_message {
    uint32_t word;
    uint32_t rounds;     /* while it ran */
    uint64_t bytes;      /* of the stream */
    uint64_t pages;      /* in it */
    uint64_t frozen_ns;  /* from the (last) request to freeze until DONE */
    uint64_t live_bytes; /* of the stream, written while it ran */
    wy_error error;
} wy_agent_message;

_Static_assert(sizeof(wy_agent_message) == 296, "agent");

typedef struct wy_agent_task {
    int restore;  /* else capture */
    int whole;    /* capture: see wy_capture */
    int live;     /* capture: while it runs, as far as that goes */
    int describe;
    pid_t worker; /* a call worker; for a restore one that is ready and was not told to go */
    pid_t zygote;
} wy_agent_task;

/* As root: becomes the worker's user and keeps nothing but CAP_SYS_PTRACE; `live`: and, permitted but not in effect, CAP_SYS_ADMIN, until
 * wy_agent_confine_more. Then no new privileges. */
wy_status wy_agent_confine(pid_t worker, int live, wy_error *error);
wy_status wy_agent_confine_more(wy_error *error);

/* All of the above on WY_AGENT_FD_*; returns when the worker is let go, or gone. What failed was told. */
wy_status wy_agent_run(const wy_agent_task *task);

#endif
