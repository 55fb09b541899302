/* Messages between keeper and daemon, over one SOCK_SEQPACKET socket (the daemon's descriptor WAYANG_CONTROL_FD, 3). A message
 * is a wy_control of 8 bytes; SPAWNER_ATTACHED carries one descriptor. End of file means, to both, that the other is gone:
 * the daemon then ends everything.
 *
 * Mirrored by src/Wayang.Fast.Host/Serving/KeeperLink.cs. */
#ifndef WAYANG_KEEPER_PROTOCOL_H
#define WAYANG_KEEPER_PROTOCOL_H

#include <stdint.h>

#define WY_CONTROL_FD 3

/* The daemon's, when there is a configuration: WAYANG_CONFIGURATION_FD, a sealed memory file at its beginning. */
#define WY_CONFIGURATION_FD 4

typedef enum wy_control_type {
    /* keeper -> daemon */
    WY_CONTROL_SPAWNER_ATTACHED = 1, /* descriptor: the socket to a fresh spawner (spawner/protocol.h); replaces the last */
    WY_CONTROL_SHUTDOWN = 2,         /* end in order; who is still there 5 seconds later is killed */
    /* keeper -> daemon: descriptor: a new configuration, to be applied as far as possible.
     * owner -> keeper, over the owner's descriptor: `value` is a descriptor of the owner, the new configuration. */
    WY_CONTROL_CONFIGURATION = 3,
    /* daemon -> keeper */
    WY_CONTROL_READY = 16, /* it serves: from now on it is started again when it dies */
    WY_CONTROL_EXIT = 17,  /* `value` = exit code: it is going to end by its own wish, and so shall all the rest */
    /* `value` = a thread of it, which the host's root may rank and its own user may not: */
    WY_CONTROL_FIRST = 18,       /* somebody waits for what it does, and it does little: it goes before the tasks */
    WY_CONTROL_BEFORE_TASKS = 19 /* it goes first and has much to do, or was started by one that does and so weighs less than the daemon: an ordinary thread of it again */
} wy_control_type;

typedef struct wy_control {
    uint32_t type;
    int32_t value;
} wy_control;

_Static_assert(sizeof(wy_control) == 8, "protocol");

#endif
