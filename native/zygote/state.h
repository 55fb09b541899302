/* What a running zygote knows. */
#ifndef WAYANG_ZYGOTE_STATE_H
#define WAYANG_ZYGOTE_STATE_H

#include "sandbox/sandbox.h"
#include "worker/worker.h"
#include "zygote/config.h"
#include "zygote/zygote.h"

/* Descriptors of one ZY_FORK, in the order in which they travel; then what only commands have. */
enum { FORK_BOOT = 0, FORK_D = 1, FORK_W = 2, FORK_DOORBELL = 3 };
enum { FORK_ARGUMENTS = 1, FORK_STDIN = 2, FORK_STDOUT = 3, FORK_STDERR = 4, FORK_STAGE = 5, FORK_ARTIFACTS = 6 };
#define WY_FORK_CALL_FDS 4u
#define WY_FORK_COMMAND_FDS 5u
#define WY_FORK_FILES_FDS 7u /* a command with files */

typedef struct wy_zygote_state {
    wy_zygote_config config;
    wy_sandbox sandbox; /* per worker: pids and tmpfs_bytes */
    wy_image *image;    /* NULL for commands */
    uint32_t *thread_id; /* see wy_thread_id_place */
} wy_zygote_state;

/* Address space for both channel files, so that nothing that the image maps can stand there. */
wy_status wy_channel_reserve(wy_error *error);

/* Copies the plugin out of its memfd into the private /tmp (for a Python image: the adapter, and the source into memory), loads
 * it, checks that no second thread is left. `detail` (WY_DETAIL_BYTES) may get more lines on failure. */
wy_status wy_zygote_load(wy_zygote_state *zygote, char *detail, wy_error *error);

/* Migratable images, instead of wy_zygote_serve: takes the loop's stack before anything is told; then serves there, once `ready` (0: told)
 * ran there. Returns the exit code, in the zygote only. */
wy_status wy_zygote_apart(wy_error *error);
int wy_zygote_serve_apart(const wy_zygote_state *zygote, int (*ready)(void));

/* In a worker of such a zygote: wy_child_run on the ordinary stack. */
_Noreturn void wy_child_leave(const wy_zygote_fork *request, const int *descriptors, uint32_t descriptor_count);

/* From ZY_READY on: answers ZY_FORK until the spawner closes the control socket. Returns the exit code. */
int wy_zygote_serve(const wy_zygote_state *zygote);

/* In a freshly cloned worker; never returns. */
_Noreturn void wy_child_run(const wy_zygote_state *zygote, const wy_zygote_fork *request, const int *descriptors,
                            uint32_t descriptor_count);

#endif
