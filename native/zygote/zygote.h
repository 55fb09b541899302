/* The zygote of an image: how the spawner launches one, and what the two say to each other.
 *
 * Launch (in the spawner; see launch.c for the numbered steps): an idle holder is pid 1 of new user, pid, mount, net and
 * ipc namespaces with PDEATHSIG=KILL; a helper enters them and clones the zygote with CLONE_PARENT and exit_signal 0, so
 * that the spawner reaps it; the holder's death ends everything below it. The zygote pivots into the image's root, drops
 * the bounding set, keeps in its own user namespace only what forking workers needs, applies the zygote's filter, loads
 * the image, then is SEALED: from ZY_READY on it only forks.
 *
 * The spawner treats a zygote as hostile: it runs foreign constructors. */
#ifndef WAYANG_ZYGOTE_ZYGOTE_H
#define WAYANG_ZYGOTE_ZYGOTE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "sandbox/profile.h"

typedef struct wy_launch {
    const wy_profile *profile;
    uint32_t image_kind;  /* wy_image_kind */
    const char *name;     /* for the process title */
    int source_fd;        /* sealed memfd of the plugin or the Python source, or -1; copied by the zygote */
    int python_fd;        /* wayang_python.so, opened by the spawner; -1: not installed. Only Python images get it */
    int zygote_binary_fd; /* wayang-zygote, opened by the spawner */
    uid_t uid;            /* host uid and gid that the namespace's only user maps to */
    gid_t gid;
    int lent_root_fd;     /* the profile's own root as wy_mount_lend made it for this uid, or -1 */
    int as_root;          /* 0: started unprivileged, uid must be our own */
    int migratable;       /* 1: layout, canaries and start are the same in every zygote of the image (checkpoint/steady.h), and its image
                             never changes once it is sealed: its workers can go on in another. Costs: no random layout, no vDSO (a
                             look at the clock is a system call) */
    uint8_t random[16];   /* migratable: what stands for the kernel's random bytes; secret, the same on nodes that exchange workers */
} wy_launch;

typedef struct wy_zygote {
    /* Host pids; children of the caller. The holder, pid 1 of its namespace, is not gone before zygote and workers have been
     * reaped: never wait for it alone. */
    pid_t holder_pid, zygote_pid;
    int holder_pidfd, zygote_pidfd;
    int control_fd; /* SOCK_SEQPACKET to the zygote, CLOEXEC, non-blocking */
} wy_zygote;

/* Starts holder and zygote; returns when both exist, before the image is loaded (ZY_READY or ZY_FAILED follow on
 * control_fd). The caller attaches holder_pid and zygote_pid to their group, then sends ZY_LOAD. On failure nothing is
 * left behind. Takes milliseconds; not thread-safe (single-threaded spawner). */
wy_status wy_zygote_launch(const wy_launch *launch, wy_zygote *out, wy_error *error);

/* Control messages: u32 type, u32 length (whole), u64 worker_id, then the struct. At most 65,536 bytes. */
typedef enum wy_zygote_message {
    /* spawner -> zygote */
    ZY_LOAD = 1, /* nothing more: load the image now */
    ZY_FORK = 2, /* wy_zygote_fork; fds: [boot, D, W, doorbell] or [boot, arguments, stdin, stdout, stderr(, stage,
                  artifacts)] */
    /* zygote -> spawner */
    ZY_READY = 3,  /* u32 function_count, u32 names_bytes, then the names, each NUL-terminated. Sealed from here on. */
    ZY_FAILED = 4, /* wy_error, then at most WY_DETAIL_BYTES of text: the image could not be loaded; the zygote exits */
    ZY_FORKED = 5, /* fds: [pidfd of the worker] */
    ZY_FORK_FAILED = 6 /* wy_error */
} wy_zygote_message;

typedef struct wy_zygote_header {
    uint32_t type;
    uint32_t length;
    uint64_t worker_id;
} wy_zygote_header;

typedef struct wy_zygote_fork {
    uint64_t tmpfs_bytes;
    uint32_t pids; /* for RLIMIT_NPROC where there is no pids group, else 0 */
    uint32_t extras; /* WY_FORK_*: a further descriptor each, in this order behind the others */
} wy_zygote_fork;

#define WY_FORK_NETWORK 0x1u /* where the worker offers its proxy's socket (sandbox/network.h) */
#define WY_FORK_SPACE 0x2u   /* a mount that is attached nowhere: its /tmp, instead of one in memory */

/* The boot socket (SOCK_SEQPACKET, one per worker, fd 5 in the worker): */
typedef enum wy_boot_message {
    /* worker -> spawner */
    WY_BOOT_READY = 1,  /* sandbox complete; the seccomp listener stands at fd 4 of the worker */
    WY_BOOT_FAILED = 2, /* `error` says the step */
    WY_BOOT_ENDED = 3,  /* command workers: `kind` 1 exit code / 2 signal, `value`, `flags` */
    /* spawner -> worker */
    WY_BOOT_GO = 16,    /* attached to the group: a call worker closes 4 and 5 and serves; init runs the command */
    WY_BOOT_SIGNAL = 17 /* command workers: send `value` to the command's process group */
} wy_boot_message;

typedef struct wy_boot {
    uint32_t type;
    uint32_t kind;
    int32_t value;
    uint32_t flags; /* WY_BOOT_DISK_FULL */
    wy_error error;
} wy_boot;

#define WY_BOOT_DISK_FULL 0x1u /* no block or no inode was left in /tmp when the command ended */

/* Exit code of a call worker that called abort(): it is pid 1 of its namespace, which the kernel shields from signals that
 * it sends to itself, so SIGABRT cannot end it. The spawner reports it as WY_EXIT_SIGNAL, SIGABRT. (Faults, as SIGSEGV,
 * end a pid 1 like any other process; commands are not pid 1.) */
#define WY_WORKER_EXIT_ABORTED 134

_Static_assert(sizeof(wy_zygote_header) == 16 && sizeof(wy_zygote_fork) == 16 && sizeof(wy_boot) == 272, "protocol");

#endif
