/* The sandbox: what is built once per image, and the one ordered list of steps that each worker goes through. */
#ifndef WAYANG_SANDBOX_SANDBOX_H
#define WAYANG_SANDBOX_SANDBOX_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "sandbox/profile.h"
#include "sandbox/stage.h"

/* The uid and gid inside every image's user namespace; the host sees the image's own uid. */
#define WY_SANDBOX_UID 1000u

/* In the holder, in fresh user, pid and mount namespaces, with a full set of capabilities there: builds the image's
 * root (the profile's paths read-only, /dev, /proc, /tmp, /etc/passwd) and pivots into it. `lent`: the profile's own root as a
 * detached read-only mount (wy_mount_lend), which is taken, or -1. */
wy_status wy_root_build(const wy_profile *profile, int lent, wy_error *error);

/* In a zygote whose profile has no files, after it loaded its image: an empty read-only root instead of the libraries.
 * Workers inherit it, so that none of them has to mount or pivot. */
wy_status wy_root_empty(wy_error *error);

/* In a zygote whose profile has a root of its own, after it loaded its image: leaves the host's libraries for that root,
 * which the holder has put together at WY_OWN_ROOT. Workers inherit it. */
#define WY_OWN_ROOT "/image"
wy_status wy_root_enter_own(wy_error *error);

/* Supported Landlock version of this kernel; 0 = none. */
int wy_landlock_abi(void);

/* Denies every path but those of a worker with files (read and execute everywhere in its root, write in /tmp and /dev, or
 * everywhere too: WY_LANDLOCK_ALL), or every path (0); TCP, unless the worker has a network; and abstract sockets and signals out of the domain where the kernel
 * can. Does nothing where it cannot. */
#define WY_LANDLOCK_FILES 1
#define WY_LANDLOCK_ALL 2
wy_status wy_landlock_enter(int abi, int files, int network, wy_error *error);

/* In a zygote before it loads foreign code: bounding set, ambient and inheritable sets emptied, securebits locked, only
 * CAP_SYS_ADMIN of its own user namespace kept (workers need it to mount, and to be cloned into namespaces), and for workers
 * with a network namespace of their own CAP_NET_ADMIN (to set lo up; the zygote's own network namespace belongs to another
 * user namespace, where it counts for nothing), and for workers with an overlay CAP_DAC_OVERRIDE (the overlay works as who mounted
 * it, in a directory that it closes to everybody; it counts for files of the image's own uid), then no_new_privs. */
wy_status wy_zygote_confine(int keep_net_admin, int keep_dac_override, wy_error *error);
wy_status wy_filter_apply(const struct sock_fprog *filter, wy_error *error);

/* What a worker's steps need. Filled once in the zygote but for pids, tmpfs_bytes and what a single worker is given. */
typedef struct wy_sandbox {
    int files;
    int overlay;
    int landlock_abi;
    uint32_t open_files;
    uint64_t file_bytes;
    struct sock_fprog filter;
    uint32_t pids;        /* processes and threads; 0 = leave it (a pids group bounds the worker) */
    uint64_t tmpfs_bytes; /* of /tmp */
    int space;            /* a mount that is /tmp instead, or -1 */
    const wy_stage *stage; /* what a command finds in its files; NULL for most */
    uint32_t network;     /* wy_network */
    int network_channel;  /* where the proxy's socket is offered (network.h), or -1; closed with all that is not kept */
    uint32_t kept_count;  /* ascending numbers of the descriptors that stay open */
    int kept[8];
} wy_sandbox;

typedef struct wy_sandbox_step {
    const char *name;
    wy_status (*run)(const wy_sandbox *sandbox, wy_error *error);
} wy_sandbox_step;

/* In the order in which they run; the last installs the filter, whose listener then stands at
 * WY_WORKER_FD_SECCOMP_LISTENER. */
extern const wy_sandbox_step wy_sandbox_steps[];
extern const size_t wy_sandbox_step_count;

/* Runs the list. On failure `error->where` is the step's name. */
wy_status wy_sandbox_enter(const wy_sandbox *sandbox, wy_error *error);

#endif
