/* The spawner: the only process with privilege. It starts sandboxed images and workers for a daemon that it does not trust,
 * and speaks protocol.h with it over one socket. Single-threaded; one per process. */
#ifndef WAYANG_SPAWNER_SPAWNER_H
#define WAYANG_SPAWNER_SPAWNER_H

#include "base/status.h"
#include "sandbox/profile.h"

typedef struct wy_spawner wy_spawner;

typedef struct wy_spawner_options {
    int socket_fd;          /* SOCK_SEQPACKET to the daemon; owned by the spawner from open on */
    int log_fd;             /* refusals are told here, a line each; borrowed */
    const char *policy_dir; /* see sandbox/profile.h */
    const char *instance;   /* [A-Za-z0-9_-]{1,48}: names the groups of this runtime */
    const char *native_dir; /* where wayang-zygote lies */
    const char *space_dir;  /* where writable space on the disk is made (space.h); NULL: nowhere */
    uint32_t root_count;    /* "NAME=PATH" each: directories that derived profiles may have as their root (sandbox/derive.h) */
    const char *roots[WY_POLICY_MAX_ROOTS];
} wy_spawner_options;

/* Reads the policy, sweeps the groups that a killed predecessor of the same instance left, and blocks SIGTERM and SIGINT
 * (they end wy_spawner_run in order). On failure nothing is held but socket_fd, which stays the caller's. */
wy_status wy_spawner_open(const wy_spawner_options *options, wy_spawner **out, wy_error *error);

/* Serves until the daemon hangs up, SIGTERM or SIGINT; then ends all it started (within 5 seconds) and removes its groups.
 * WY_OK: ended in order and nothing is left. WY_TIMEOUT: something did not die in time; `error` says what. */
wy_status wy_spawner_run(wy_spawner *spawner, wy_error *error);

void wy_spawner_close(wy_spawner *spawner);

#endif
