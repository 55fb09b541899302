#include "mover.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checkpoint/live.h"
#include "checkpoint/restore.h"
#include "checkpoint/verify.h"

int64_t mover_now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void open_side(mover_side *side, const test_setup *setup, uint32_t kind, const void *source, size_t bytes) {
    wy_error error = {0};
    test_launch_migratable(setup, "compute", kind, source, bytes, &side->zygote);
    uint32_t type = test_load(&side->zygote, &error);
    CHECK(type == ZY_READY, "the zygote is not ready: %s %s", error.message, test_answer_tail());
    CHECK(wy_manifest_make(side->zygote.zygote_pid, &side->manifest, &error) == WY_OK, "%s: %s", error.where, error.message);
    CHECK(wy_memory_open(side->zygote.zygote_pid, &side->image.zygote, &error) == WY_OK, "%s", error.message);
    side->image.manifest = &side->manifest;
}

void mover_open(mover *m, const test_setup *setup, uint32_t kind, const void *source, size_t bytes) {
    wy_error error = {0};
    memset(m, 0, sizeof *m);
    m->as_root = setup->as_root;
    open_side(&m->sides[0], setup, kind, source, bytes);
    open_side(&m->sides[1], setup, kind, source, bytes);
    CHECK(wy_manifest_compare(&m->sides[0].manifest, &m->sides[1].manifest, &m->differing, &error) == WY_OK, "%s: %s", error.where,
          error.message);
}

void mover_close(mover *m) {
    for (int i = 0; i < 2; i++) {
        wy_memory_close(&m->sides[i].image.zygote);
        wy_manifest_free(&m->sides[i].manifest);
        test_end(&m->sides[i].zygote);
    }
    wy_runs_free(&m->differing);
}

/* A worker up to BOOT_READY, on the call's channel. */
static void fork_worker(const mover *m, const mover_call *call, int side, mover_process *out) {
    int boot[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) == 0, "%s", strerror(errno));
    const int fds[] = {boot[1], call->memory.d_fd, call->memory.w_fd, call->memory.doorbell_fd};
    test_send_fork(&m->sides[side].zygote, fds, 4, 0);
    out->pidfd = test_receive_forked(&m->sides[side].zygote);
    out->pid = test_pid_of(out->pidfd);
    out->boot = boot[0];
    out->side = side;
    (void)close(boot[1]);
    wy_boot said;
    test_wait_readable(out->boot, "BOOT_READY");
    CHECK(recv(out->boot, &said, sizeof said, 0) == (ssize_t)sizeof said && said.type == WY_BOOT_READY, "%s: %s", said.error.where,
          said.error.message);
    out->listener = (int)syscall(SYS_pidfd_getfd, out->pidfd, WY_WORKER_FD_SECCOMP_LISTENER, 0);
    CHECK(out->listener >= 0, "pidfd_getfd: %s", strerror(errno));
}

static void end_worker(const mover_process *out) {
    (void)kill(out->pid, SIGKILL);
    (void)test_reap(out->pidfd, out->pid);
    (void)close(out->boot);
    (void)close(out->pidfd);
    (void)close(out->listener);
}

void mover_end_process(mover_call *call) {
    end_worker(&call->process);
}

void mover_fork_process(const mover *m, mover_call *call, int side) {
    fork_worker(m, call, side, &call->process);
}

int mover_reap(mover_call *call) {
    int status = test_reap(call->process.pidfd, call->process.pid);
    (void)close(call->process.boot);
    (void)close(call->process.pidfd);
    (void)close(call->process.listener);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int next_slot(mover_call *call, wy_slot *slot) {
    return wy_reader_read(&call->end.completions, slot) == WY_OK;
}

static void take_slot(mover_call *call, const wy_slot *slot) {
    wy_reader_advance(&call->end.completions, slot);
    wy_daemon_publish_head(&call->end);
}

static void nap(void) {
    const struct timespec some = {0, 100000};
    (void)nanosleep(&some, NULL);
}

void mover_start(mover *m, mover_call *call, int side) {
    wy_geometry geometry = {.request_slots = 64, .request_arena_bytes = 65536, .completion_slots = 64, .completion_arena_bytes = 65536,
                            .max_payload = 1 << 20, .epoch = 1};
    wy_error error;
    wy_slot slot;
    memset(call, 0, sizeof *call);
    CHECK(wy_channel_create(&geometry, &call->memory, &error) == WY_OK, "%s", error.message);
    wy_daemon_end_init(&call->end, call->memory.d, call->memory.w, call->arena_end);
    fork_worker(m, call, side, &call->process);
    wy_boot go = {.type = WY_BOOT_GO};
    CHECK(send(call->process.boot, &go, sizeof go, MSG_NOSIGNAL) == (ssize_t)sizeof go, "%s", strerror(errno));
    for (int64_t until = mover_now_ns() + TEST_WAIT_MS * INT64_C(1000000); !next_slot(call, &slot);) {
        CHECK(mover_now_ns() < until, "the worker does not say READY");
        nap();
    }
    CHECK((slot.kind & WY_SLOT_KIND_MASK) == WY_SLOT_READY, "kind %u", slot.kind);
    take_slot(call, &slot);
}

void mover_stop(mover_call *call) {
    end_worker(&call->process);
    wy_channel_destroy(&call->memory);
}

void mover_ask(mover_call *call, uint16_t function, const char *input) {
    wy_claim claim;
    uint32_t length = (uint32_t)strlen(input);
    call->log_bytes = 0;
    CHECK(wy_writer_claim(&call->end.requests, length, 1, &claim) == WY_OK, "the ring is full");
    memcpy(claim.payload, input, length);
    wy_writer_commit(&call->end.requests, &claim, ++call->generation << 8, function, WY_SLOT_CALL | WY_SLOT_FIRST | WY_SLOT_LAST, length);
    (void)wy_daemon_publish(&call->end);
}

int mover_answer(mover_call *call, uint64_t *out) {
    wy_slot slot;
    while (next_slot(call, &slot)) {
        uint32_t length;
        uint64_t total;
        const uint8_t *payload = wy_reader_payload(&call->end.completions, &slot, &length, &total);
        uint32_t kind = slot.kind & WY_SLOT_KIND_MASK;
        CHECK(slot.ticket == call->generation << 8, "ticket %x", slot.ticket);
        if (kind == WY_SLOT_OUTPUT) {
            CHECK(length == sizeof *out, "%u bytes of output", length);
            memcpy(out, payload, sizeof *out);
        } else {
            CHECK(kind == WY_SLOT_LOG, "kind %u: %.*s", kind, (int)length, (const char *)payload);
            call->log_bytes += length - 1;
        }
        take_slot(call, &slot);
        (void)wy_daemon_publish(&call->end);
        if (kind == WY_SLOT_OUTPUT) {
            return 1;
        }
    }
    return 0;
}

static const wy_state_rules s_rules = {.confined = 1, .doorbell_fd = WY_WORKER_FD_DOORBELL};

typedef struct moving {
    const mover_side *side;
    wy_tracee source;
    wy_live live;
    wy_stream stream;
    int64_t begun;
    uint64_t ahead; /* bytes of the stream that were written while it ran */
} moving;

static wy_status freeze(moving *v, const mover_call *call, wy_error *error) {
    v->begun = mover_now_ns();
    return wy_tracee_freeze(call->process.pid, v->side->manifest.syscall_at, 0, &v->source, error);
}

/* The source frozen, written down, and thawed if anything fails. */
static wy_status capture(mover *m, moving *v, wy_error *error) {
    static wy_snapshot snapshot;
    wy_status status = wy_snapshot_take(&v->source, &s_rules, &snapshot, error);
    if (status == WY_OK) {
        const wy_capture request = {.memory = &v->source.memory, .snapshot = &snapshot, .image = &v->side->image, .always = &m->differing};
        status = v->live.ran ? wy_live_finish(&v->live, request, &v->stream, error) : wy_capture_write(&request, &v->stream, error);
        wy_snapshot_free(&snapshot);
    }
    m->shipped_pages += v->stream.pages;
    m->shipped_bytes += v->stream.bytes;
    return status;
}

/* The source frozen; every second time most of it was written down before, while it ran. */
static wy_status freeze_source(mover *m, moving *v, const mover_call *call, wy_error *error) {
    wy_status status = freeze(v, call, error);
    if (status != WY_OK || m->tried++ % 2 == 0) {
        return status;
    }
    status = wy_live_begin(&v->live, &v->source, &s_rules, error);
    if (status == WY_UNSUPPORTED) {
        m->unsupported++;
        return WY_OK;
    }
    wy_tracee_close(&v->source);
    const wy_capture how = {.image = &v->side->image, .always = &m->differing};
    status = status == WY_OK ? wy_live_run(&v->live, how, &v->stream, error) : status;
    m->live += status == WY_OK;
    m->live_rounds += v->live.rounds;
    v->ahead = v->stream.bytes;
    return status == WY_OK ? freeze(v, call, error) : status;
}

/* The target stands frozen and waits for its stream before the source is stopped. */
static wy_status prepare(const mover *m, const mover_process *next, wy_tracee *target, wy_error *error) {
    *target = (wy_tracee){.memory = WY_NO_MEMORY_OPEN};
    wy_status status = wy_tracee_freeze(next->pid, m->sides[next->side].manifest.syscall_at, 1, target, error);
    return status == WY_OK ? wy_restore_prepare(target, error) : status;
}

/* The file from `at` up to `end` into the pipe. */
static void copy(int file, int to, uint64_t at, uint64_t end) {
    char bytes[16384];
    while (at < end) {
        ssize_t got = pread(file, bytes, end - at < sizeof bytes ? end - at : sizeof bytes, (off_t)at);
        if (got <= 0 || write(to, bytes, (size_t)got) != got) { /* a pipe takes all of it */
            _exit(1);
        }
        at += (uint64_t)got;
    }
}

/* It has read all that was there, and sleeps: it waits for more. A bounded number of looks. */
static void await_idle(pid_t reader, int pipe_end) {
    char path[32], text[256], state = 'R';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)reader);
    for (int looks = 0; looks < 1000000 && state != 'S'; looks++) {
        int unread = 0, fd = ioctl(pipe_end, FIONREAD, &unread) == 0 && unread == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
        const char *name_end = strrchr(text, ')');
        state = name_end != NULL && name_end[1] == ' ' ? name_end[2] : 'R';
        if (fd >= 0) {
            (void)close(fd);
        }
        (void)sched_yield();
    }
}

/* As from another node: what was written while the worker ran, and the rest when whoever restores has nothing to read and nothing to do. */
static int feed(const moving *v, int file, pid_t *feeder) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0, "%s", strerror(errno));
    *feeder = fork();
    CHECK(*feeder >= 0, "%s", strerror(errno));
    if (*feeder == 0) {
        (void)close(ends[0]);
        copy(file, ends[1], 0, v->ahead);
        await_idle(getppid(), ends[1]);
        copy(file, ends[1], v->ahead, v->stream.bytes);
        _exit(0);
    }
    (void)close(ends[1]);
    return ends[0];
}

static wy_status restore(const mover *m, const moving *v, const mover_process *next, wy_tracee *target, int fd, int fed, wy_error *error) {
    pid_t feeder = -1;
    int end = fed ? feed(v, fd, &feeder) : fd;
    wy_stream stream = WY_STREAM_ON(end);
    wy_status status = fed || lseek(fd, 0, SEEK_SET) == 0 ? wy_restore_read(target, &m->sides[next->side].image, &stream, error) : WY_SYSTEM;
    if (fed) {
        (void)close(end);
        (void)waitpid(feeder, NULL, 0);
    }
    return status;
}

static int is_later(wy_status status, const wy_error *error) {
    return status == WY_DENIED && strcmp(error->where, "signal") == 0; /* it is under way to its handler */
}

/* The call goes on where it was. */
static wy_status give_up(mover *m, moving *v, const mover_process *next, wy_tracee *target, wy_status status, const wy_error *error) {
    wy_error ignored;
    end_worker(next);
    if (v->source.stopped) {
        (void)wy_tracee_go(&v->source, &ignored);
    }
    wy_tracee_close(&v->source);
    wy_memory_close(&target->memory);
    m->again += is_later(status, error);
    m->failed += !is_later(status, error);
    return status;
}

wy_status mover_move(mover *m, mover_call *call, int verify, wy_error *error) {
    static moving v;
    static wy_tracee target;
    mover_process next;
    int fd = memfd_create("captured", MFD_CLOEXEC);
    CHECK(fd >= 0, "%s", strerror(errno));
    v = (moving){.side = &m->sides[call->process.side], .stream = WY_STREAM_ON(fd)};
    v.source.memory = v.live.memory = WY_NO_MEMORY_OPEN;
    v.live.written = WY_NOTHING_WATCHED;
    fork_worker(m, call, 1 - call->process.side, &next);
    wy_status status = prepare(m, &next, &target, error);
    CHECK(status == WY_OK, "a fresh worker cannot be frozen: %s: %s", error->where, error->message);
    status = freeze_source(m, &v, call, error);
    status = status == WY_OK ? capture(m, &v, error) : status;
    int64_t written = mover_now_ns() - v.begun;
    status = status == WY_OK ? restore(m, &v, &next, &target, fd, verify && v.live.ran, error) : status;
    int64_t paused = mover_now_ns() - v.begun;
    if (status == WY_OK && verify) {
        uint64_t bytes = 0;
        status = wy_verify(&v.source, &target, &bytes, error);
        m->verified += status == WY_OK;
        m->verified_live += status == WY_OK && v.live.ran;
        m->verified_bytes += bytes;
    }
    m->live_frozen_ns += v.live.ran ? written : 0;
    wy_live_close(&v.live);
    (void)close(fd);
    if (status != WY_OK) {
        return give_up(m, &v, &next, &target, status, error);
    }
    end_worker(&call->process); /* first its end, then the other's beginning: never two */
    v.source.stopped = 0;
    wy_tracee_close(&v.source);
    status = wy_tracee_go(&target, error);
    CHECK(status == WY_OK, "%s: %s", error->where, error->message);
    wy_tracee_close(&target);
    call->process = next;
    m->moved++;
    m->pause_ns_sum += paused;
    m->pause_ns_most = paused > m->pause_ns_most ? paused : m->pause_ns_most;
    return WY_OK;
}
