/* Messages between the daemon and the spawner, over one SOCK_SEQPACKET socket; descriptors travel with SCM_RIGHTS.
 *
 * The spawner treats the daemon as hostile: each message is copied once, its header, exact length, enum ranges and
 * number of descriptors are checked, then it is used; anything else is refused with WY_MSG_REFUSED (and logged) and
 * changes nothing. Ids (image, worker) are chosen by the daemon, nonzero, and never reused within a connection; an id
 * that is unknown, or known where it must not be, is refused. Nothing in a message names a path, uid, mount or group.
 * All integers little-endian, structs without padding holes, strings NUL-padded in fixed fields. A message is a
 * wy_msg_header followed by the struct of its type (and by a tail where the struct says so); at most 65,536 bytes.
 *
 * Mirrored by src/Wayang.Fast.Execution/Spawner/Protocol.cs; a test compares the sizes. */
#ifndef WAYANG_SPAWNER_PROTOCOL_H
#define WAYANG_SPAWNER_PROTOCOL_H

#include <stdint.h>

#include "base/rates.h"

#define WY_MSG_MAGIC 0x50535957u /* "WYSP" */
#define WY_MSG_VERSION 1u
#define WY_MSG_MAX_BYTES 65536u
#define WY_MSG_MAX_FDS 9u
#define WY_NAME_BYTES 64u /* names of profiles and images, NUL included */
#define WY_DETAIL_BYTES 4096u

typedef enum wy_msg_type {
    /* daemon -> spawner */
    WY_MSG_HELLO = 1,         /* wy_msg_hello: first message */
    WY_MSG_IMAGE_OPEN = 2,    /* wy_msg_image_open; fds: [source] for C plugins and Python, none for commands */
    WY_MSG_IMAGE_CLOSE = 3,   /* wy_msg_image_ref: ends the zygote and its workers; WORKER_EXITED for each, IMAGE_GONE */
    WY_MSG_WORKER_START = 4,  /* wy_msg_worker_start; fds: [D, W, doorbell] */
    WY_MSG_COMMAND_START = 5, /* wy_msg_worker_start; fds: [arguments, stdin, stdout, stderr], and for a
                                 task with files also [stage, artifacts] */
    WY_MSG_WORKER_SIGNAL = 6, /* wy_msg_worker_signal: SIGKILL ends the worker's pid namespace; for commands also
                                 SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 to the command's process group, and
                                 SIGSTOP, SIGCONT to every process of its namespace but its init */
    WY_MSG_SCAN = 16, /* wy_msg_scan: look at each running worker as the kernel shows it; SCAN_FINDINGs, then SCAN_DONE */
    WY_MSG_USAGE = 7, /* wy_msg_usage: asks what workers use now; answered with USAGE_OF */
    WY_MSG_WORKER_CLASS = 22, /* wy_msg_worker_class: its CPU weight from now on; of a worker that has ended it is nothing */
    WY_MSG_WORKER_FREEZE = 23, /* wy_msg_worker_freeze: stop all processes of a running worker at any instruction, or let them go on; answered
                                  with WORKER_FROZEN. Killing a frozen worker works as ever; other signals reach a command when it goes on */
    WY_MSG_WORKER_CAPTURE = 24, /* wy_msg_worker_capture; fds: [stream] or [stream, manifest]: freezes a running call worker of a migratable image and writes it down
                                   there; WORKER_CAPTURED: it stays frozen. REFUSED: it goes on */
    WY_MSG_WORKER_RESTORE = 25, /* wy_msg_worker_start; fds: [D, W, doorbell, stream]: a worker that goes on where the captured one stood. D and
                                   W hold what they held there. WORKER_PREPARED, then WORKER_RESTORED: it stands, frozen; WORKER_EXITED:
                                   it cannot */
    WY_MSG_WORKER_GO = 26,      /* wy_msg_worker_ref: a captured worker goes on after all; a restored one begins: WORKER_STARTED */
    WY_MSG_PROFILE_DEFINE = 20, /* wy_msg_profile_define + tail: a tighter profile; see sandbox/derive.h */
    WY_MSG_WORKER_NETWORK = 21, /* wy_msg_worker_ref; fds: [channel]: right before the start of that worker, whose profile's network
                                   is "granted": the worker offers its proxy's socket there (sandbox/network.h) */
    /* spawner -> daemon */
    WY_MSG_WELCOME = 32,        /* wy_msg_welcome + tail: a wy_msg_profile for each profile: answers HELLO */
    WY_MSG_IMAGE_READY = 33,    /* wy_msg_image_ready + tail: function names, each NUL-terminated, in order */
    WY_MSG_IMAGE_GONE = 34,     /* wy_msg_failure: the image could not be loaded, or its zygote ended; + tail: more lines
                                   (a traceback), at most WY_DETAIL_BYTES, any bytes: the image wrote them */
    WY_MSG_WORKER_STARTED = 35, /* wy_msg_worker_started: sandboxed, in its group, told to go */
    WY_MSG_WORKER_EXITED = 36,  /* wy_msg_worker_exited: the last word on this id, also when it never started */
    WY_MSG_REFUSED = 37,        /* wy_msg_failure: the message with this request_id was refused; nothing changed */
    WY_MSG_SCAN_FINDING = 48,   /* wy_msg_scan_finding, with the scan's request_id */
    WY_MSG_SCAN_DONE = 49,      /* wy_msg_scan_done: answers SCAN */
    WY_MSG_USAGE_OF = 39,       /* wy_msg_usage_of + tail: a wy_worker_usage for each of `count` workers */
    WY_MSG_WORKER_FROZEN = 40,  /* wy_msg_worker_frozen: answers WORKER_FREEZE */
    WY_MSG_WORKER_CAPTURED = 41, /* wy_msg_worker_moved: answers WORKER_CAPTURE */
    WY_MSG_WORKER_RESTORED = 42, /* wy_msg_worker_moved: answers WORKER_RESTORE */
    WY_MSG_WORKER_PREPARED = 43, /* wy_msg_worker_ref: its stream is read from now on as fast as it comes */
    WY_MSG_PROFILE_NETWORK = 56, /* wy_msg_profile_network + tail: the destinations, each NUL-terminated; after WELCOME, one for each
                                    profile of the policy whose network is not "none" */
    WY_MSG_LOG = 38             /* wy_msg_failure with id 0: something worth an operator's eye */
} wy_msg_type;

typedef struct wy_msg_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t length;     /* whole message, this header included */
    uint32_t fds;        /* descriptors that travel with it */
    uint64_t request_id; /* echoed in answers; 0 in events */
} wy_msg_header;

typedef struct wy_msg_hello {
    uint32_t abi; /* WY_MSG_VERSION */
    uint32_t reserved;
} wy_msg_hello;

/* What this host and this policy give; told by doctor, metrics and errors. */
#define WY_FEATURE_ROOT 0x1u
#define WY_FEATURE_CGROUP_V1 0x2u
#define WY_FEATURE_CGROUP_V2 0x4u
#define WY_FEATURE_MEMORY_GROUP 0x8u
#define WY_FEATURE_PIDS_GROUP 0x10u
#define WY_FEATURE_LANDLOCK 0x20u
#define WY_FEATURE_SECCOMP_NOTIFY 0x40u
#define WY_FEATURE_CPU_GROUP 0x80u
#define WY_FEATURE_PYTHON 0x100u /* wayang_python.so is installed */
#define WY_FEATURE_CPU_CAP 0x200u /* cpu.max or cpu.cfs_quota_us can be set */
#define WY_FEATURE_FREEZER 0x800u /* tasks are frozen by a group's freezer; without, by SIGSTOP */
#define WY_FEATURE_MIGRATION 0x1000u /* wayang-migrate-agent is installed */
#define WY_FEATURE_DISK 0x2000u /* writable space can be made on the disk (space.h) */
#define WY_FEATURE_IO 0x4000u /* rates of disk I/O can be set (group_io.c) */
#define WY_FEATURE_OVERLAY 0x400u /* roots may be written by way of an overlay (told where roots were lent) */

typedef struct wy_msg_welcome {
    uint32_t abi;
    uint32_t features; /* WY_FEATURE_* */
    uint32_t landlock_abi;
    uint32_t max_workers;
    char note[504]; /* what is missing and what it costs, for a person; may be empty */
} wy_msg_welcome;

/* A profile of the policy. */
#define WY_PROFILE_FILES 0x1u    /* its workers have files: commands can run under it */
#define WY_PROFILE_OWN_ROOT 0x2u /* their root is a directory of the operator's */

typedef struct wy_msg_profile {
    char name[WY_NAME_BYTES];
    uint32_t flags;        /* WY_PROFILE_* */
    uint32_t pids;         /* from here on: the most that a worker of it may be given */
    uint64_t memory_bytes;
    uint64_t disk_bytes;   /* of writable space */
    uint32_t cpu_milli;    /* thousandths of a processor; 0: no cap */
    uint32_t cpu_weight;   /* per cent of its class's weight */
    uint64_t tmpfs_bytes;  /* of writable space, where a message asks for none */
    wy_io_rates io;        /* 0: no limit */
} wy_msg_profile;

typedef struct wy_msg_profile_network {
    char name[WY_NAME_BYTES];
    uint32_t network; /* wy_network */
    uint32_t destination_count;
    uint32_t usable; /* 0: the policy does not allow the host's network */
    uint32_t reserved;
} wy_msg_profile_network;

/* 0 keeps what the base has. Tail: the paths that are kept, then the names of the calls that are taken away, each
 * NUL-terminated. Every wish is compared with the base's own; one that is not tighter is refused. */
typedef struct wy_msg_profile_define {
    char name[WY_NAME_BYTES];
    char base[WY_NAME_BYTES];
    uint64_t memory_bytes, tmpfs_bytes, file_bytes;
    uint32_t pids, open_files;
    uint32_t network;          /* wy_network, or 0xFFFFFFFF: the base's */
    uint32_t no_files_written; /* 1: file_bytes is 0 */
    uint32_t path_count, denied_count;
    char root[WY_NAME_BYTES]; /* the name of a directory that the spawner's starter lent (--root); all zeros: the base's root */
    uint32_t overlay;         /* 1: that root may be written, each worker for itself, where the host can */
    uint32_t runtime;         /* wy_runtime: what runs the commands of such a profile */
} wy_msg_profile_define;

#define WY_DERIVE_MAX_NAMES 128u

typedef struct wy_msg_worker_ref {
    uint64_t worker_id;
} wy_msg_worker_ref;

typedef enum wy_image_kind {
    WY_IMAGE_COMMAND = 1, /* no foreign code: forks init processes that execute a command */
    WY_IMAGE_C_PLUGIN = 2, /* a shared library with wayang_plugin_init */
    WY_IMAGE_PYTHON = 3    /* a Python module: see python/source.h */
} wy_image_kind;

typedef struct wy_msg_image_open {
    uint64_t image_id;
    uint32_t kind; /* wy_image_kind */
    uint32_t flags; /* WY_IMAGE_MIGRATABLE: its workers can be captured; for profiles without files, processes and network */
    char profile[WY_NAME_BYTES]; /* a profile of the policy */
    char name[WY_NAME_BYTES];    /* for messages and process titles: [A-Za-z0-9._-] */
} wy_msg_image_open;

typedef struct wy_msg_image_ref {
    uint64_t image_id;
} wy_msg_image_ref;

typedef struct wy_msg_image_ready {
    uint64_t image_id;
    int32_t zygote_pid; /* host pid, for diagnostics */
    uint32_t function_count;
} wy_msg_image_ready;

typedef struct wy_msg_worker_start {
    uint64_t worker_id;
    uint64_t image_id;
    uint64_t memory_bytes; /* 0 = the profile's limit; never above it */
    uint64_t tmpfs_bytes;  /* size of /tmp, which lies in its memory: never above memory_bytes or the profile's disk; 0 =
                              the profile's tmpfs, or its memory where that is less */
    uint32_t pids;         /* processes and threads; 0 = the profile's; never above it */
    uint32_t nice_class;   /* CPU weight: 0 normal, 1 batch, 2 idle, 3 urgent */
    uint64_t reserve_bytes; /* memory that reclaim leaves to it while there is other; 0 = none; never above memory_bytes */
    uint32_t cpu_milli;     /* a hard cap in thousandths of a processor; 0 = the profile's, or none; never above it */
    uint32_t cpu_weight;    /* per cent of its class's weight; 0 = 100; never above the profile's */
    uint64_t disk_bytes;    /* 0, or /tmp is a file system of this size on the disk (tmpfs_bytes is 0 then): never above the profile's disk */
    wy_io_rates io;         /* of each disk; never above the profile's where that has some */
} wy_msg_worker_start;

#define WY_SPACE_LEAST_MIB 16u /* disk_bytes: a file system of less holds next to nothing but itself */

#define WY_IMAGE_MIGRATABLE 0x1u

#define WY_CAPTURE_WHOLE 0x1u /* fits every zygote of the image, also one that is started later; larger */
#define WY_CAPTURE_MANIFEST 0x2u /* nothing is frozen: the manifest of its image is written, which another spawner takes as [manifest] (sealed
                                    memory) for a capture that fits this image's zygote here, and refuses where the images differ */
#define WY_CAPTURE_LIVE 0x4u /* most of it is written while the worker runs, as far as this host can count what is written meanwhile; not with MANIFEST */

typedef struct wy_msg_worker_capture {
    uint64_t worker_id;
    uint32_t flags; /* WY_CAPTURE_* */
    uint32_t reserved;
} wy_msg_worker_capture;

typedef struct wy_msg_worker_moved {
    uint64_t worker_id;
    uint64_t bytes;     /* of the stream */
    uint64_t pages;     /* in it */
    uint64_t frozen_ns; /* from the (last) request to freeze to this word */
    uint64_t live_bytes; /* of the stream, written while it ran */
    uint32_t rounds;     /* in which that was done; 0: it stood still for all of it */
    uint32_t reserved;
} wy_msg_worker_moved;

typedef struct wy_msg_worker_signal {
    uint64_t worker_id;
    int32_t signal;
    uint32_t reserved;
} wy_msg_worker_signal;

typedef struct wy_msg_worker_class {
    uint64_t worker_id;
    uint32_t nice_class; /* as in wy_msg_worker_start */
    uint32_t reserved;
} wy_msg_worker_class;

typedef struct wy_msg_worker_freeze {
    uint64_t worker_id;
    uint32_t freeze; /* 1: stand still, 0: go on; what is asked twice is done once */
    uint32_t reserved;
} wy_msg_worker_freeze;

#define WY_FROZEN_BY_GROUP 1u  /* nothing of it can tell: no signal, no interrupted call */
#define WY_FROZEN_BY_SIGNAL 2u /* SIGSTOP and SIGCONT to each process: parents see it, and what had stopped itself goes on */

typedef struct wy_msg_worker_frozen {
    uint64_t worker_id;
    uint32_t frozen; /* 0 or 1 */
    uint32_t how;    /* WY_FROZEN_BY_* */
} wy_msg_worker_frozen;

/* Many workers are told in several answers, so that none takes long: the first place to look at, and the next one (0: all
 * were looked at). */
#define WY_USAGE_MOST 64u

typedef struct wy_msg_usage {
    uint32_t first;
    uint32_t reserved;
} wy_msg_usage;

typedef struct wy_msg_usage_of {
    uint32_t next;
    uint32_t count; /* at most WY_USAGE_MOST */
} wy_msg_usage_of;

typedef struct wy_worker_usage {
    uint64_t worker_id;
    uint64_t memory_bytes;     /* of its group now; 0 without one */
    uint64_t cpu_microseconds; /* of its group since it started; 0 where not measured */
} wy_worker_usage;

typedef struct wy_msg_worker_started {
    uint64_t worker_id;
    int32_t pid; /* host pid, for diagnostics */
    uint32_t reserved;
} wy_msg_worker_started;

typedef enum wy_exit_kind {
    WY_EXIT_CODE = 1,      /* value = exit code */
    WY_EXIT_SIGNAL = 2,    /* value = signal number */
    WY_EXIT_OOM = 3,       /* the memory group's limit was hit and the kernel killed */
    WY_EXIT_VIOLATION = 4, /* value = number of the syscall that the profile lists as dangerous, -1 where it
                              is none of this architecture's or unknown; text = its name */
    WY_EXIT_NOT_STARTED = 5, /* value = errno; `text` names the sandbox step */
    WY_EXIT_KILLED = 6, /* killed at the daemon's own request (SIGKILL by WORKER_SIGNAL or IMAGE_CLOSE) */
    WY_EXIT_LOST = 7    /* it vanished with its image, or by a SIGKILL from outside (a worker is pid 1 of its namespace: nothing
                           in it can do that). Without WORKER_STARTED before it, nothing of it ever ran. */
} wy_exit_kind;

#define WY_EXIT_DISK_FULL 0x1u /* its writable space was full when the command ended, as its init saw it */

typedef struct wy_msg_worker_exited {
    uint64_t worker_id;
    uint32_t kind; /* wy_exit_kind */
    int32_t value;
    uint64_t peak_memory_bytes; /* 0 when there is no memory group */
    uint64_t cpu_microseconds;  /* user + system of the worker and its reaped children */
    uint32_t flags;             /* WY_EXIT_* */
    uint32_t reserved;
    char text[128];
} wy_msg_worker_exited;

/* One scan at a time; a second one is refused with WY_FULL. At most WY_SCAN_MAX_FINDINGS are told, the others counted. */
#define WY_SCAN_MAX_FINDINGS 256u

typedef struct wy_msg_scan {
    uint32_t flags; /* 0 */
    uint32_t reserved;
} wy_msg_scan;

typedef enum wy_scan_severity {
    WY_SCAN_WARNING = 1,  /* worth a look; nothing was done */
    WY_SCAN_CRITICAL = 2, /* not what its profile says: the worker was killed, WORKER_EXITED follows with WY_EXIT_VIOLATION */
} wy_scan_severity;

typedef struct wy_msg_scan_finding {
    uint64_t worker_id;
    uint64_t image_id;
    uint32_t severity; /* wy_scan_severity */
    int32_t pid;       /* host pid, for diagnostics */
    char text[128];
} wy_msg_scan_finding;

typedef struct wy_msg_scan_done {
    uint32_t workers;   /* looked at */
    uint32_t processes; /* of theirs, looked at */
    uint32_t findings;  /* all of them */
    uint32_t untold;    /* of these, over WY_SCAN_MAX_FINDINGS */
} wy_msg_scan_done;

typedef struct wy_msg_failure {
    uint64_t id; /* image or worker id, 0 if none */
    uint32_t code; /* wy_status */
    int32_t sys_errno;
    char text[512];
} wy_msg_failure;

/* The `arguments` descriptor of COMMAND_START: a memfd sealed WRITE | SHRINK | GROW | SEAL, at most 2 MiB:
 *   u32 magic "WYAR" 0x52415957, u32 argc (>= 1), u32 envc, u32 flags (0),
 *   cwd NUL, argv[0] NUL ... argv[argc-1] NUL, env[0] NUL ... env[envc-1] NUL        (cwd "" = /tmp) */
#define WY_ARGUMENTS_MAGIC 0x52415957u
#define WY_ARGUMENTS_MAX_BYTES (2u * 1024u * 1024u)

/* The `stage` descriptor of COMMAND_START: what init puts into the command's files before it begins. A memfd sealed
 * WRITE | SHRINK | GROW | SEAL: wy_stage_header, `count` wy_stage_entry, then the contents that these name. */
#define WY_STAGE_MAGIC 0x54535957u /* "WYST" */
#define WY_STAGE_MAX_BYTES (66u * 1024u * 1024u)
#define WY_STAGE_MAX_ENTRIES 1024u
#define WY_STAGE_NAME_BYTES 256u
#define WY_STAGE_COLLECT 0x1u /* what the command leaves in out/ of its working directory goes to `artifacts` */
#define WY_STAGE_STATE 0x2u   /* there is out/, and its file of this name goes to `artifacts` before all else, if it is there */
#define WY_STAGE_STATE_NAME ".wayang-state"

typedef enum wy_stage_kind {
    WY_STAGE_INPUT = 1, /* a file below the working directory; `name` is a relative path without ".." */
    WY_STAGE_SECRET = 2 /* /run/secrets/NAME, which only the command can read; `name` is one part of a path */
} wy_stage_kind;

typedef struct wy_stage_header {
    uint32_t magic;
    uint32_t count;
    uint32_t flags;          /* WY_STAGE_* */
    uint32_t artifact_files; /* at most so many are collected */
    uint64_t artifact_bytes; /* at most so many in all */
} wy_stage_header;

typedef struct wy_stage_entry {
    uint32_t kind; /* wy_stage_kind */
    uint32_t mode; /* permissions, of 0777 */
    uint64_t offset, length; /* of its content in the memfd */
    char name[WY_STAGE_NAME_BYTES]; /* NUL-padded */
} wy_stage_entry;

/* What init writes into `artifacts` once every process of the command is gone: a wy_artifact, its name, its bytes for each
 * regular file below out/, and one wy_artifact of kind END. The daemon believes none of it unchecked. */
#define WY_ARTIFACT_NAME_BYTES 1024u

typedef enum wy_artifact_kind {
    WY_ARTIFACT_FILE = 1, /* followed by name_length bytes of a relative path, then `length` bytes */
    WY_ARTIFACT_END = 2   /* name_length: entries left out (over the bounds, or no regular files); length: their bytes */
} wy_artifact_kind;

typedef struct wy_artifact {
    uint32_t kind;
    uint32_t name_length;
    uint64_t length;
} wy_artifact;

_Static_assert(sizeof(wy_stage_header) == 24 && sizeof(wy_stage_entry) == 280 && sizeof(wy_artifact) == 16, "protocol");
_Static_assert(sizeof(wy_msg_header) == 24, "protocol");
_Static_assert(sizeof(wy_msg_worker_capture) == 16 && sizeof(wy_msg_worker_moved) == 48, "protocol");
_Static_assert(sizeof(wy_msg_welcome) == 520, "protocol");
_Static_assert(sizeof(wy_msg_profile) == 128, "protocol");
_Static_assert(sizeof(wy_msg_image_open) == 144, "protocol");
_Static_assert(sizeof(wy_msg_worker_start) == 88, "protocol");
_Static_assert(sizeof(wy_msg_worker_exited) == 168, "protocol");
_Static_assert(sizeof(wy_msg_failure) == 528, "protocol");
_Static_assert(sizeof(wy_msg_scan) == 8, "protocol");
_Static_assert(sizeof(wy_msg_scan_finding) == 152, "protocol");
_Static_assert(sizeof(wy_msg_scan_done) == 16, "protocol");
_Static_assert(sizeof(wy_msg_profile_network) == 80 && sizeof(wy_msg_profile_define) == 248, "protocol");

#endif
