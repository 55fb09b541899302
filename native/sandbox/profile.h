/* Isolation profiles, read from the policy directory that only root (or the starting user) writes. */
#ifndef WAYANG_SANDBOX_PROFILE_H
#define WAYANG_SANDBOX_PROFILE_H

#include <linux/filter.h>
#include <stdint.h>

#include "base/rates.h"
#include "base/status.h"

#define WY_PROFILE_MAX_PATHS 64u
#define WY_PROFILE_MAX_FILTER 4096u
#define WY_PROFILE_ROOT_BYTES 256u
#define WY_LEAST_CPU_MILLI 10u /* below it the kernel's quota is less than its least, 1 ms in 100 ms */
#define WY_MOST_CPU_MILLI 1024000u
#define WY_MOST_CPU_WEIGHT 1000u
#define WY_PROFILE_MAX_DESTINATIONS 32u
#define WY_POLICY_MAX_PROFILES 16u /* of the policy's own */
#define WY_POLICY_MAX_DERIVED 32u  /* tighter ones, defined while the spawner runs: see derive.h */
#define WY_POLICY_MAX_ROOTS 16u    /* directories that whoever starts the runtime lends as roots */
#define WY_SYSCALL_NUMBERS 1024u

/* What of the network a worker's processes reach. Each level holds what the one before it does. */
typedef enum wy_network {
    WY_NETWORK_NONE = 0,     /* an empty namespace, and no sockets in the filter */
    WY_NETWORK_LOOPBACK = 1, /* a namespace of its own with nothing but lo */
    WY_NETWORK_GRANTED = 2,  /* the same; beside it a proxy on lo, whose other end stands with the daemon: see network.h */
    WY_NETWORK_HOST = 3      /* the host's own namespace; only where policy.conf says host_network 1 */
} wy_network;

/* Whether a worker of this level sets up a namespace of its own. */
static inline int wy_network_is_own(uint32_t level) {
    return level == WY_NETWORK_LOOPBACK || level == WY_NETWORK_GRANTED;
}

typedef struct wy_profile_path {
    char path[128]; /* absolute, no "..", no symlink on the host: shown at the same place, read-only */
    int optional;   /* skipped where the host lacks it */
} wy_profile_path;

/* What runs a profile's commands. */
typedef enum wy_runtime {
    WY_RUNTIME_NATIVE = 0, /* our own sandbox */
    WY_RUNTIME_CRUN = 1,   /* OCI runtimes of the distribution (oci/runtime.h), for profiles with a root of their own */
    WY_RUNTIME_RUNC = 2,
    WY_RUNTIME_RUNSC = 3
} wy_runtime;

struct wy_filter_rules;

typedef struct wy_profile {
    char name[64];
    int files;              /* 0: the worker's root is empty and read-only (compute); 1: `paths`, /tmp, /dev, /proc */
    int own_network;        /* 0: the zygote's network namespace is shared (an empty one without sockets, or the host's) */
    uint32_t network;       /* wy_network */
    uint32_t destination_count;
    /* The most that tasks may be granted: HOST:PORT, judged by the daemon, which connects for them. */
    char destinations[WY_PROFILE_MAX_DESTINATIONS][128];
    uint32_t pids;          /* limits; a message may lower them */
    uint64_t memory_bytes;
    uint64_t tmpfs_bytes;   /* of /tmp, where a message does not ask for another size */
    uint64_t disk_bytes;    /* of /tmp at most; at least tmpfs_bytes */
    uint32_t cpu_milli;     /* thousandths of a processor; 0: no cap */
    uint32_t cpu_weight;    /* per cent of its class's weight that a message may ask for */
    wy_io_rates io;         /* of each disk; 0: no limit */
    uint64_t file_bytes;    /* RLIMIT_FSIZE */
    uint32_t open_files;    /* RLIMIT_NOFILE */
    uint32_t path_count;
    wy_profile_path paths[WY_PROFILE_MAX_PATHS];
    /* "", or a directory of the host that is the worker's root, read-only; `paths` are then shown to the zygote only, for
     * its own libraries. Checked when it was loaded: see wy_own_root_check. */
    char root[WY_PROFILE_ROOT_BYTES];
    int overlay; /* 1: each worker may write all of its root; what it writes lies in its /tmp's space and goes with it */
    uint32_t runtime; /* wy_runtime */
    const struct wy_filter_rules *rules; /* what `filter` was compiled of; the policy's, also for a derived profile */
    struct sock_fprog filter; /* compiled; applied last. Owned by the profile. */
    uint64_t allowed[WY_SYSCALL_NUMBERS / 64]; /* bit n: the filter lets call n through, at least with some arguments */
    struct sock_fprog zygote_filter; /* borrowed from the policy: what a zygote applies before it loads an image */
} wy_profile;

/* A directory that a derived profile may have as its root. Messages know its name only. */
typedef struct wy_lent_root {
    char name[64];
    char path[WY_PROFILE_ROOT_BYTES];
} wy_lent_root;

typedef struct wy_policy {
    uint32_t uid_first, uid_count; /* host uids of images when started as root; one per image, never 0 */
    uint32_t max_workers, max_images;
    char cgroup_parent[128]; /* relative to the spawner's own group; see spawner/cgroup.h */
    uint32_t host_network;   /* 1: profiles with the host's network may be used */
    uint32_t root_count;     /* from the spawner's own arguments, not from a file: see wy_policy_lend */
    wy_lent_root roots[WY_POLICY_MAX_ROOTS];
    int overlays; /* 0: this host mounts no overlay in a user namespace; profiles that ask for one do without */
    uint32_t profile_count, own_count; /* own_count: without the derived ones, which stand behind */
    wy_profile profiles[WY_POLICY_MAX_PROFILES + WY_POLICY_MAX_DERIVED];
    struct sock_fprog zygote_filter;
    struct sock_fprog network_filter; /* the same for profiles with sockets; empty where no profile has any */
} wy_policy;

/* Reads `policy.conf`, `*.profile` and `*.syscalls` below `directory`. Refuses files that group or others may write, or
 * that another user than root or the caller owns. `error` names file, line and what is allowed. */
wy_status wy_policy_load(const char *directory, wy_policy *out, wy_error *error);
void wy_policy_free(wy_policy *policy);
const wy_profile *wy_policy_find(const wy_policy *policy, const char *name);

/* Name of a system call, or NULL: for causes and logs. */
const char *wy_syscall_name(int number);

#endif
