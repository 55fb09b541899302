/* Inside launch: the three short-lived or idle processes, each in its own file section. */
#ifndef WAYANG_ZYGOTE_LAUNCH_H
#define WAYANG_ZYGOTE_LAUNCH_H

#include <linux/sched.h>
#include <sched.h>
#include <sys/types.h>

#include "zygote/zygote.h"

/* fork with flags, through clone3. Returns like fork; *pidfd is filled in the parent when CLONE_PIDFD is set. */
pid_t wy_clone(uint64_t flags, int exit_signal, int *pidfd);

/* Where libc keeps the id of this thread, or NULL; from then on a clone that is told it leaves the right one there, as libc's
 * own fork does. */
uint32_t *wy_thread_id_place(void);
pid_t wy_clone_worker(uint64_t flags, uint32_t *thread_id, int *pidfd);

/* Empty mask, default dispositions: what we ignore or block must not travel into foreign code. */
void wy_reset_signals(void);

/* Runs in the holder; never returns. `sync` is its end of a SOCK_SEQPACKET pair: it reads one byte (uid_map and gid_map
 * are written), then writes one wy_error (status WY_OK: the root stands), then idles until it is killed. */
_Noreturn void wy_holder_run(const wy_launch *launch, int sync);

/* Runs in the helper; never returns. Enters the holder's namespaces and clones the zygote as a child of our caller. It
 * writes on `sync` one wy_zygote_birth with the zygote's pidfd attached. */
typedef struct wy_zygote_birth {
    wy_error error;
    int32_t pid; /* as seen in the holder's pid namespace; the caller learns the host's from the pidfd */
} wy_zygote_birth;
_Noreturn void wy_entry_run(const wy_launch *launch, int holder_pidfd, int sync, int control, int config);

#endif
