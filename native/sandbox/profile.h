/* Isolation profiles, read from the policy directory that only root (or the starting user) writes. */
#ifndef WAYANG_SANDBOX_PROFILE_H
#define WAYANG_SANDBOX_PROFILE_H

#include <linux/filter.h>
#include <stdint.h>

#include "base/status.h"

#define WY_PROFILE_MAX_PATHS 64u
#define WY_PROFILE_MAX_FILTER 4096u
#define WY_PROFILE_ROOT_BYTES 256u
#define WY_LEAST_CPU_MILLI 10u /* below it the kernel's quota is less than its least, 1 ms in 100 ms */
#define WY_MOST_CPU_MILLI 1024000u
#define WY_MOST_CPU_WEIGHT 1000u

typedef struct wy_profile_path {
    char path[128]; /* absolute, no "..", no symlink on the host: shown at the same place, read-only */
    int optional;   /* skipped where the host lacks it */
} wy_profile_path;

typedef struct wy_profile {
    char name[64];
    int files;              /* 0: the worker's root is empty and read-only (compute); 1: `paths`, /tmp, /dev, /proc */
    int own_network;        /* 0: the zygote's empty network namespace is shared (no sockets in the filter) */
    uint32_t pids;          /* limits; a message may lower them */
    uint64_t memory_bytes;
    uint64_t tmpfs_bytes;   /* of /tmp, where a message does not ask for another size */
    uint64_t disk_bytes;    /* of /tmp at most; at least tmpfs_bytes */
    uint32_t cpu_milli;     /* thousandths of a processor; 0: no cap */
    uint32_t cpu_weight;    /* per cent of its class's weight that a message may ask for */
    uint64_t file_bytes;    /* RLIMIT_FSIZE */
    uint32_t open_files;    /* RLIMIT_NOFILE */
    uint32_t path_count;
    wy_profile_path paths[WY_PROFILE_MAX_PATHS];
    /* "", or a directory of the host that is the worker's root, read-only; `paths` are then shown to the zygote only, for
     * its own libraries. Checked when it was loaded: see wy_own_root_check. */
    char root[WY_PROFILE_ROOT_BYTES];
    struct sock_fprog filter; /* compiled; applied last. Owned by the profile. */
    struct sock_fprog zygote_filter; /* borrowed from the policy: what a zygote applies before it loads an image */
} wy_profile;

typedef struct wy_policy {
    uint32_t uid_first, uid_count; /* host uids of images when started as root; one per image, never 0 */
    uint32_t max_workers, max_images;
    char cgroup_parent[128]; /* relative to the spawner's own group; see spawner/cgroup.h */
    uint32_t profile_count;
    wy_profile profiles[16];
    struct sock_fprog zygote_filter;
} wy_policy;

/* Reads `policy.conf`, `*.profile` and `*.syscalls` below `directory`. Refuses files that group or others may write, or
 * that another user than root or the caller owns. `error` names file, line and what is allowed. */
wy_status wy_policy_load(const char *directory, wy_policy *out, wy_error *error);
void wy_policy_free(wy_policy *policy);
const wy_profile *wy_policy_find(const wy_policy *policy, const char *name);

/* Name of a system call, or NULL: for causes and logs. */
const char *wy_syscall_name(int number);

#endif
