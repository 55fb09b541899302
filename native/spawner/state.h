/* What the spawner knows. One process, one thread, one of these; every table has a bound from the policy.
 *
 * Rooms: table.c finds workers, message.c judges what the daemon says, wire.c moves datagrams and descriptors, outbox.c holds back what the daemon
 * does not read yet, image.c and zygote_link.c keep images, worker.c, boot.c, freezing.c and ending.c keep workers, migrate.c moves them, listener.c takes
 * seccomp notifications, scan*.c compare workers with their profile, space*.c make writable space on the disk, children.c finds processes that nobody asked for, cgroup*.c keep resource groups. */
#ifndef WAYANG_SPAWNER_STATE_H
#define WAYANG_SPAWNER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "sandbox/profile.h"
#include "spawner/cgroup.h"
#include "spawner/protocol.h"
#include "spawner/space.h"
#include "spawner/spawner.h"
#include "zygote/zygote.h"

#define WY_BOOT_TIMEOUT_MS 10000 /* a zygote to load, a worker to boot */
#define WY_PYTHON_TIMEOUT_MS 60000 /* a Python zygote: imports take as long as their author likes */
#define WY_RESTORE_TIMEOUT_MS 120000 /* from ready to restored: as long as its stream takes */
#define WY_END_TIMEOUT_MS 5000   /* the whole orderly end */
#define WY_TICK_MS 200           /* while something is under way that has a deadline */
#define WY_SWEEP_MS 1000         /* while there are images: looks for children that nobody asked for */
#define WY_TURN_MESSAGES 64      /* messages taken from one peer before the others get their turn */
#define WY_OUTBOX_HIGH 1024u     /* waiting messages from which on the daemon is no longer read */

typedef enum wy_image_state { WY_IMAGE_FREE = 0, WY_IMAGE_LOADING, WY_IMAGE_OPEN, WY_IMAGE_DYING } wy_image_state;

typedef struct wy_image_slot {
    wy_image_state state;
    uint32_t generation; /* tells events of this tenant of the slot from those of the one before */
    uint64_t id;
    uint32_t kind;
    const wy_profile *profile;
    wy_zygote zygote;
    bool holder_alive, zygote_alive;
    bool migratable;
    bool wants_write;      /* the zygote's socket was full: forks wait */
    uint32_t workers;      /* not yet ended */
    wy_group *group;       /* of holder and zygote */
    int64_t deadline_ms;   /* while loading */
    wy_msg_failure gone;   /* why it ends: the text of IMAGE_GONE */
    uint32_t detail_bytes; /* more lines of it, from the zygote */
    char detail[WY_DETAIL_BYTES];
    char name[WY_NAME_BYTES];
} wy_image_slot;

typedef enum wy_worker_state {
    WY_WORKER_FREE = 0,
    WY_WORKER_QUEUED,  /* ZY_FORK not sent yet: the zygote's socket is full */
    WY_WORKER_FORKING, /* ZY_FORK sent, ZY_FORKED not yet seen */
    WY_WORKER_BOOTING, /* the process exists and stands in its group */
    WY_WORKER_RUNNING, /* told to go */
} wy_worker_state;

typedef struct wy_worker_slot {
    wy_worker_state state;
    uint32_t generation;
    uint32_t next_by_id, next_by_pid; /* chains of table.c; a free slot's next_by_id is the free list */
    uint32_t image; /* index of its image */
    bool command;
    bool ready;      /* WY_BOOT_READY came */
    bool kill_asked; /* by the daemon */
    bool killed;     /* by us, for whatever reason: version 1 would freeze it before it dies, and then it never would */
    bool violated;
    int32_t violation; /* number of the system call; -1: unknown, its notification was stolen */
    bool violation_foreign; /* a number of another architecture's table */
    bool scanned;      /* a scan found it to be something else: `failure` says what */
    int64_t running_since_ms;
    uint32_t frozen_by; /* WY_FROZEN_BY_*; 0: it runs */
    int stop_owed;      /* SIGSTOP or SIGCONT that the command's init could not be told yet; 0: none */
    bool failed;       /* `failure` says why it never started */
    bool ended;        /* WY_BOOT_ENDED came: `ended_kind`, `ended_value` */
    uint32_t ended_kind;
    int32_t ended_value;
    bool disk_full;    /* said with it */
    wy_msg_worker_start start;
    pid_t pid; /* host pid; 0 before ZY_FORKED. Ours alone to reap, so it cannot be reused under us */
    int pidfd, boot_fd, listener_fd;
    int pass_count, pass_fds[WY_MSG_MAX_FDS]; /* what ZY_FORK carries; empty once sent */
    bool network;                /* one of them is where the proxy's socket is offered */
    wy_space space;              /* on the disk; its mount is the last of them */
    bool space_awaited;          /* it stays QUEUED until the maker has answered */
    wy_group *group;
    int64_t deadline_ms;
    struct {              /* migrate.c */
        pid_t pid;        /* 0: none */
        int pidfd, control_fd;
        int stream_fd;    /* until the agent of a restore has it */
        uint64_t request_id; /* not answered yet; 0: none */
        bool restoring;   /* it goes on from a stream, and was not told to go */
        bool describes;   /* asked for the manifest only */
        bool done;        /* it stands frozen */
        bool counts;      /* it was once made to make what its writes are counted with */
    } agent;
    struct {
        int32_t sys_errno;
        char text[128];
    } failure;
} wy_worker_slot;

typedef struct wy_outbox_entry {
    struct wy_outbox_entry *next;
    uint32_t length;
    uint8_t bytes[];
} wy_outbox_entry;

typedef struct wy_outbox {
    wy_outbox_entry *head, *tail;
    uint32_t count;
    bool broken; /* the peer is gone, or memory is: the spawner ends */
} wy_outbox;

typedef struct wy_suspect {
    pid_t pid;
    int64_t since_ms;
} wy_suspect;

struct wy_spawner {
    int daemon_fd, epoll_fd, signal_fd, log_fd;
    int zygote_binary_fd, python_fd; /* python_fd: -1 where wayang_python.so is not installed */
    int agent_binary_fd; /* wayang-migrate-agent, or -1 */
    uint8_t steady_random[16]; /* of migratable zygotes */
    bool root, welcomed, ending;
    bool daemon_paused; /* not read: the outbox is over its bound */
    bool daemon_writes; /* EPOLLOUT is registered */
    wy_policy policy;
    wy_cgroups groups;
    wy_spaces spaces;
    wy_outbox outbox;
    wy_image_slot *images;
    wy_worker_slot *workers;
    uint32_t image_count, worker_count; /* in use */
    uint32_t transient;                 /* images loading or dying, workers not yet running: a deadline runs */
    uint32_t forking;                   /* workers in FORKING */
    uint32_t agents;                    /* that live: mostly none, and then nobody looks for one */
    uint32_t next_image;                /* where the search for a free slot begins: late reuse of uids */
    uint32_t free_worker, bucket_count, *by_id, *by_pid; /* table.c */
    int64_t next_sweep_ms, next_tick_ms;
    struct {
        uint64_t worker_id; /* 0: none */
        int channel;
    } offered; /* by WORKER_NETWORK, for the start that follows at once */
    wy_suspect suspects[64];
    struct {
        bool active;
        uint64_t request_id;
        uint32_t next; /* index of the worker that is looked at next */
        wy_msg_scan_done done;
    } scan;
    struct {
        int64_t window_ms;
        uint32_t lines, suppressed;
    } log;
    uint8_t receive[WY_MSG_MAX_BYTES]; /* the one copy of a message: judged and used from here */
};

/* What an epoll event belongs to: kind, generation and index in 64 bits, so that an event of a slot's former tenant that
 * was already fetched is recognised. */
typedef enum wy_source {
    WY_SOURCE_DAEMON = 1,
    WY_SOURCE_SIGNAL,
    WY_SOURCE_HOLDER,
    WY_SOURCE_ZYGOTE,
    WY_SOURCE_CONTROL,
    WY_SOURCE_WORKER,
    WY_SOURCE_BOOT,
    WY_SOURCE_LISTENER,
    WY_SOURCE_AGENT,
    WY_SOURCE_AGENT_END,
    WY_SOURCE_SPACE,
} wy_source;

/* loop.c */
wy_status wy_watch(wy_spawner *s, int fd, uint32_t events, wy_source source, uint32_t generation, uint32_t index);
void wy_rewatch(wy_spawner *s, int fd, uint32_t events, wy_source source, uint32_t generation, uint32_t index);
void wy_unwatch_close(wy_spawner *s, int *fd);
int64_t wy_now_ms(void);

/* log.c: one line to log_fd, at most 20 a second, the suppressed ones counted. */
void wy_log_flush(wy_spawner *s);
void wy_log_line(wy_spawner *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* outbox.c */
void wy_send_daemon(wy_spawner *s, wy_msg_type type, uint64_t request_id, const void *body, size_t body_bytes,
                    const void *tail, size_t tail_bytes);
void wy_outbox_flush(wy_spawner *s);
void wy_outbox_free(wy_outbox *outbox);
void wy_refuse(wy_spawner *s, uint64_t request_id, uint64_t id, wy_status code, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* The same without a line in the log: for what the daemon could not know when it asked, such as an end that overtook the request. */
void wy_decline(wy_spawner *s, uint64_t request_id, uint64_t id, const char *why);

/* dispatch.c */
void wy_daemon_readable(wy_spawner *s);
void wy_send_welcome(wy_spawner *s, uint64_t request_id);

/* image.c */
wy_image_slot *wy_image_find(wy_spawner *s, uint64_t id);
void wy_image_open(wy_spawner *s, uint64_t request_id, const wy_msg_image_open *message, int source_fd);
void wy_image_end(wy_spawner *s, wy_image_slot *image, wy_status code, int sys_errno, const char *text);
void wy_image_reaped(wy_spawner *s, wy_image_slot *image, bool holder);
void wy_image_settle(wy_spawner *s, wy_image_slot *image);
void wy_images_tick(wy_spawner *s, int64_t now_ms);
uint32_t wy_image_index(const wy_spawner *s, const wy_image_slot *image);

/* zygote_link.c */
void wy_control_ready(wy_spawner *s, wy_image_slot *image, uint32_t events);
wy_status wy_control_load(wy_image_slot *image);
void wy_control_fork(wy_spawner *s, wy_image_slot *image, wy_worker_slot *worker);

/* table.c */
wy_status wy_table_make(wy_spawner *s);
void wy_table_free(wy_spawner *s);
wy_worker_slot *wy_worker_find(wy_spawner *s, uint64_t id);
bool wy_worker_has_pid(const wy_spawner *s, pid_t pid);
wy_worker_slot *wy_worker_take(wy_spawner *s, const wy_msg_worker_start *start);
void wy_worker_set_pid(wy_spawner *s, wy_worker_slot *worker, pid_t pid);
void wy_worker_drop(wy_spawner *s, wy_worker_slot *worker);

/* worker.c */
void wy_worker_start(wy_spawner *s, uint64_t request_id, const wy_msg_worker_start *message, bool command,
                     int *fds, int fd_count);
/* Takes the descriptor; one that was offered before and not taken is closed. */
void wy_worker_offer_network(wy_spawner *s, uint64_t worker_id, int channel);
void wy_worker_forked(wy_spawner *s, wy_worker_slot *worker, int pidfd);
/* Another CPU weight from now on. A worker that has ended meanwhile needs none: no answer, no refusal. */
void wy_worker_weigh(wy_spawner *s, const wy_msg_worker_class *message);
void wy_worker_signal(wy_spawner *s, uint64_t request_id, const wy_msg_worker_signal *message);
void wy_worker_fail(wy_worker_slot *worker, int sys_errno, const char *text);
void wy_worker_kill(wy_worker_slot *worker);
void wy_worker_close_passed(wy_worker_slot *worker);
void wy_workers_tick(wy_spawner *s, int64_t now_ms);
uint32_t wy_worker_index(const wy_spawner *s, const wy_worker_slot *worker);

/* freezing.c */
void wy_worker_freeze(wy_spawner *s, uint64_t request_id, const wy_msg_worker_freeze *message);
/* The boot socket is ready for something. */
void wy_worker_settle_stop(wy_spawner *s, wy_worker_slot *worker);

/* boot.c */
void wy_boot_readable(wy_spawner *s, wy_worker_slot *worker);
void wy_boot_proceed(wy_spawner *s, wy_worker_slot *worker);

void wy_boot_started(wy_spawner *s, wy_worker_slot *worker);

/* migrate.c */
void wy_worker_capture(wy_spawner *s, uint64_t request_id, const wy_msg_worker_capture *message, int stream, int manifest);
void wy_worker_restore(wy_spawner *s, uint64_t request_id, const wy_msg_worker_start *message, int *fds);
void wy_worker_go(wy_spawner *s, uint64_t request_id, uint64_t worker_id);
void wy_agent_restore(wy_spawner *s, wy_worker_slot *worker); /* instead of WY_BOOT_GO */
void wy_agent_readable(wy_spawner *s, wy_worker_slot *worker);
void wy_agent_reaped(wy_spawner *s, wy_worker_slot *worker);
void wy_agent_end(wy_spawner *s, wy_worker_slot *worker);  /* of a worker that is gone, or was never begun with */
void wy_agent_lose(wy_spawner *s, wy_worker_slot *worker); /* the same, and whoever waits for its word is told */
bool wy_agent_has_pid(const wy_spawner *s, pid_t pid);

/* ending.c */
void wy_worker_reaped(wy_spawner *s, wy_worker_slot *worker);
void wy_worker_finish(wy_spawner *s, wy_worker_slot *worker, int wait_code, int wait_status, uint64_t cpu_microseconds);
void wy_worker_gone_with_image(wy_spawner *s, wy_worker_slot *worker);

/* oci_start.c: instead of ZY_FORK */
void wy_oci_fork(wy_spawner *s, wy_image_slot *image, wy_worker_slot *worker);

/* space.c */
void wy_space_ask(wy_spawner *s, wy_worker_slot *worker); /* forks it at once, or when its space is there; or ends it */
void wy_space_release(wy_spawner *s, wy_worker_slot *worker);
void wy_space_readable(wy_spawner *s);
void wy_space_maker_lost(wy_spawner *s);

/* listener.c */
wy_status wy_listener_take(wy_spawner *s, wy_worker_slot *worker, wy_error *error);
void wy_listener_readable(wy_spawner *s, wy_worker_slot *worker);

/* scan.c, scan_process.c */
void wy_scan_begin(wy_spawner *s, uint64_t request_id);
void wy_scan_step(wy_spawner *s);

/* What of the worker's process is not what its profile says, in `text`; its severity, or 0. */
uint32_t wy_scan_worker(wy_spawner *s, const wy_worker_slot *worker, uint32_t *processes, char text[128]);

/* children.c */
void wy_children_sweep(wy_spawner *s, int64_t now_ms);
bool wy_child_known(const wy_spawner *s, pid_t pid);

/* Whether its zygote, or pid 1 of its namespace, has a child that lives: what an image left behind while it was loaded. */
bool wy_image_left_processes(const wy_image_slot *image);

#endif
