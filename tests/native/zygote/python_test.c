/* TR1: Python images behind the shipped zygote: what loads, what a call gets and answers, what is refused and how. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel/ends.h"
#include "channel/memory.h"
#include "python/source.h"

static const char module[] = "import json, random, wayang\n"
                             "count = 0\n"
                             "def echo(data, ctx):\n    return data\n"
                             "def two(data):\n    return data + data\n"
                             "def none():\n    print('said')\n    return 'nothing'\n"
                             "def tell(data, ctx):\n"
                             "    ctx.progress(40, 'halfway \\u00e4')\n"
                             "    ctx.log('warning', 'mind this')\n"
                             "    return f'{ctx.task_id} {ctx.attempt} {ctx.cancelled} {0 < ctx.deadline <= 10}'\n"
                             "def boom(data, ctx):\n    raise ValueError('bad ' + data.decode())\n"
                             "def late(data, ctx):\n    import xml.dom\n"
                             "def counted():\n    global count\n    count += 1\n    return str(count)\n"
                             "def draw():\n    return str(random.getrandbits(64))\n"
                             "@wayang.json\ndef add(value, ctx):\n    return {'sum': value['a'] + value['b']}\n"
                             "def keeps(data, ctx):\n    before = ctx.saved\n    ctx.save(b'state of ' + data)\n"
                             "    return before\n"
                             "def large(data, ctx):\n    ctx.save(bytes(int(data)))\n"
                             "def yields(data, ctx):\n    ctx.on_save(lambda: b'in the middle')\n    ctx.progress(7)\n"
                             "    raise wayang.Yield if ctx.save_wanted else ValueError('not wanted')\n"
                             "def asks(data, ctx):\n    if ctx.save_wanted:\n        raise wayang.Yield\n"
                             "    return 'not wanted'\n"
                             "def stubborn(data, ctx):\n    ctx.on_save(lambda: 1 / 0)\n    ctx.save_wanted\n";

typedef struct called {
    char output[8192], error[8192], trace[8192], out[1024], err[1024];
    int progress;
    char progress_text[256], saved[1024];
    int yielded;
} called;

typedef struct live {
    wy_channel_memory memory;
    wy_daemon_end end;
    uint64_t arena_end[WY_CHANNEL_MAX_SLOTS];
    int boot, pidfd, listener;
    pid_t pid;
    uint32_t generation;
} live;

static uint32_t load(const test_setup *setup, const char *profile, const char *code, const char *const *preload,
                     wy_zygote *out) {
    static uint8_t source[65536];
    size_t bytes = test_python_source(source, code, preload);
    test_launch_bytes(setup, profile, WY_IMAGE_PYTHON, source, bytes, out);
    return test_load(out, NULL);
}

static wy_slot next(live *worker) {
    wy_slot slot;
    for (int turn = 0; turn < TEST_WAIT_MS; turn++) {
        if (wy_reader_read(&worker->end.completions, &slot) == WY_OK) {
            return slot;
        }
        (void)poll(&(struct pollfd){worker->pidfd, POLLIN, 0}, 1, 1);
    }
    CHECK(0, "the worker says nothing");
    return slot;
}

static void start(const wy_zygote *zygote, live *worker) {
    wy_geometry geometry = {.request_slots = 64, .request_arena_bytes = 262144, .completion_slots = 64,
                            .completion_arena_bytes = 262144, .max_payload = 1 << 20, .epoch = 1};
    wy_error error;
    int boot[2];
    memset(worker, 0, sizeof *worker);
    CHECK(wy_channel_create(&geometry, &worker->memory, &error) == WY_OK, "%s", error.message);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) == 0, "%s", strerror(errno));
    const int fds[] = {boot[1], worker->memory.d_fd, worker->memory.w_fd, worker->memory.doorbell_fd};
    wy_daemon_end_init(&worker->end, worker->memory.d, worker->memory.w, worker->arena_end);
    test_send_fork(zygote, fds, 4, 0);
    worker->pidfd = test_receive_forked(zygote);
    worker->pid = test_pid_of(worker->pidfd);
    worker->boot = boot[0];
    (void)close(boot[1]);
    wy_boot said;
    test_wait_readable(worker->boot, "BOOT_READY");
    CHECK(recv(worker->boot, &said, sizeof said, 0) == (ssize_t)sizeof said && said.type == WY_BOOT_READY, "%s: %s",
          said.error.where, said.error.message);
    worker->listener = (int)syscall(SYS_pidfd_getfd, worker->pidfd, WY_WORKER_FD_SECCOMP_LISTENER, 0);
    wy_boot go = {.type = WY_BOOT_GO};
    CHECK(send(worker->boot, &go, sizeof go, MSG_NOSIGNAL) == (ssize_t)sizeof go, "%s", strerror(errno));
    wy_slot slot = next(worker);
    CHECK((slot.kind & WY_SLOT_KIND_MASK) == WY_SLOT_READY, "kind %u", slot.kind);
    wy_reader_advance(&worker->end.completions, &slot);
    wy_daemon_publish_head(&worker->end);
}

static void stop(live *worker) {
    (void)kill(worker->pid, SIGKILL);
    (void)test_reap(worker->pidfd, worker->pid);
    (void)close(worker->boot);
    (void)close(worker->pidfd);
    (void)close(worker->listener);
    wy_channel_destroy(&worker->memory);
}

static void keep(char *out, size_t capacity, const uint8_t *bytes, size_t length) {
    size_t used = strlen(out);
    CHECK(used + length < capacity, "%zu bytes", used + length);
    memcpy(out + used, bytes, length);
    out[used + length] = '\0';
}

/* One completion; 1 when it was the last of its call. */
static int take(live *worker, called *out) {
    wy_slot slot = next(worker);
    uint32_t length;
    uint64_t total;
    const uint8_t *bytes = wy_reader_payload(&worker->end.completions, &slot, &length, &total);
    uint8_t kind = slot.kind & WY_SLOT_KIND_MASK;
    if (kind == WY_SLOT_OUTPUT) {
        keep(out->output, sizeof out->output, bytes, length);
    } else if (kind == WY_SLOT_ERROR) {
        size_t code = strnlen((const char *)bytes, length);
        size_t message = code < length ? strnlen((const char *)bytes + code + 1, length - code - 1) : 0;
        (void)snprintf(out->error, sizeof out->error, "%.*s: %.*s", (int)code, bytes, (int)message, bytes + code + 1);
        if (code + 1 + message < length) {
            keep(out->trace, sizeof out->trace, bytes + code + message + 2, length - code - message - 2);
        }
    } else if (kind == WY_SLOT_PROGRESS) {
        out->progress = bytes[0];
        out->progress_text[0] = '\0';
        keep(out->progress_text, sizeof out->progress_text, bytes + 1, length - 1);
    } else if (kind == WY_SLOT_SAVED) {
        out->saved[0] = '\0';
        keep(out->saved, sizeof out->saved, bytes, length);
    } else if (kind == WY_SLOT_YIELDED) {
        out->yielded = 1;
    } else {
        CHECK(kind == WY_SLOT_LOG, "kind %u", kind);
        keep(bytes[0] == WY_LOG_STDOUT ? out->out : out->err, sizeof out->out, bytes + 1, length - 1);
    }
    wy_reader_advance(&worker->end.completions, &slot);
    wy_daemon_publish_head(&worker->end);
    return (kind == WY_SLOT_OUTPUT || kind == WY_SLOT_ERROR || kind == WY_SLOT_YIELDED) && (slot.kind & WY_SLOT_LAST) != 0;
}

static uint16_t index_of(const char *names, const char *name) {
    uint16_t index = 0;
    for (; *names != '\0'; names += strlen(names) + 1, index++) {
        if (strcmp(names, name) == 0) {
            return index;
        }
    }
    CHECK(0, "the image has no %s", name);
    return 0;
}

/* `state`: what an earlier attempt saved, or NULL. */
static void call_with(live *worker, const char *names, const char *name, const char *input, const char *state, called *out) {
    wy_claim claim;
    struct timespec now;
    uint32_t length = (uint32_t)strlen(input), ticket = ++worker->generation << 8;
    memset(out, 0, sizeof *out);
    out->progress = -1;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    worker->memory.d->facts[0] = (wy_call_facts){.task_high = 0x0193000000000000, .task_low = 5, .ticket = ticket, .attempt = 1,
                                                 .deadline_ns = ((int64_t)now.tv_sec + 10) * 1000000000};
    if (state != NULL) {
        uint32_t bytes = (uint32_t)strlen(state);
        CHECK(wy_writer_claim(&worker->end.requests, bytes, 1, &claim) == WY_OK, "no room");
        memcpy(claim.payload, state, bytes);
        wy_writer_commit(&worker->end.requests, &claim, ticket, 0, WY_SLOT_STATE | WY_SLOT_FIRST | WY_SLOT_LAST, bytes);
    }
    CHECK(wy_writer_claim(&worker->end.requests, length, 1, &claim) == WY_OK, "no room");
    memcpy(claim.payload, input, length);
    wy_writer_commit(&worker->end.requests, &claim, ticket, index_of(names, name),
                     WY_SLOT_CALL | WY_SLOT_FIRST | WY_SLOT_LAST, length);
    (void)wy_daemon_publish(&worker->end);
    while (!take(worker, out)) {
    }
}

static void call(live *worker, const char *names, const char *name, const char *input, called *out) {
    call_with(worker, names, name, input, NULL, out);
}

#define EXPECT(text, wanted) CHECK(strcmp(text, wanted) == 0, "'%s'", text)
#define CONTAINS(text, wanted) CHECK(strstr(text, wanted) != NULL, "'%s'", text)

static void check_states(live *worker, const char *names, const char *profile) {
    static called seen;
    call(worker, names, "keeps", "one", &seen);
    CONTAINS(seen.error, "RuntimeError: this node keeps no states");
    worker->memory.d->state_bytes = 1000;
    call(worker, names, "keeps", "one", &seen);
    EXPECT(seen.output, "");
    EXPECT(seen.saved, "state of one");
    call_with(worker, names, "keeps", "two", "state of one", &seen);
    EXPECT(seen.output, "state of one");
    EXPECT(seen.saved, "state of two");
    call_with(worker, names, "keeps", "three", "", &seen);
    EXPECT(seen.output, "");
    call(worker, names, "keeps", "four", &seen); /* another call's is not found */
    EXPECT(seen.output, "");
    call(worker, names, "large", "1001", &seen);
    CONTAINS(seen.error, "ValueError: the state has 1001 bytes");
    call(worker, names, "asks", "", &seen);
    EXPECT(seen.output, "not wanted");
    call(worker, names, "yields", "", &seen);
    EXPECT(seen.error, "ValueError: not wanted");
    worker->memory.d->save_wanted[0] = 1;
    call(worker, names, "asks", "", &seen);
    CHECK(seen.yielded, "'%s' '%s'", seen.output, seen.error);
    call(worker, names, "yields", "", &seen);
    CHECK(seen.yielded, "'%s' '%s'", seen.output, seen.error);
    EXPECT(seen.saved, "in the middle");
    call(worker, names, "stubborn", "", &seen);
    CONTAINS(seen.error, "ZeroDivisionError");
    worker->memory.d->save_wanted[0] = 0;
    printf("%s: states are saved, found again, and wanted\n", profile);
}

static void check_calls(const test_setup *setup, const char *profile) {
    static called seen;
    static live worker, other;
    char drawn[64];
    static char names[4096];
    wy_zygote zygote;
    CHECK(load(setup, profile, module, NULL, &zygote) == ZY_READY, "%s", test_answer_tail());
    memcpy(names, test_answer_tail(), sizeof names);
    start(&zygote, &worker);
    call(&worker, names, "echo", "hello", &seen);
    EXPECT(seen.output, "hello");
    call(&worker, names, "two", "ab", &seen);
    EXPECT(seen.output, "abab");
    call(&worker, names, "none", "x", &seen);
    EXPECT(seen.output, "nothing");
    EXPECT(seen.out, "said\n");
    call(&worker, names, "tell", "", &seen);
    EXPECT(seen.output, "01JC0000000000000000000005 1 False True");
    CHECK(seen.progress == 40, "%d", seen.progress);
    EXPECT(seen.progress_text, "halfway \xc3\xa4");
    EXPECT(seen.err, "mind this\n");
    call(&worker, names, "add", "{\"a\": 2, \"b\": 3}", &seen);
    EXPECT(seen.output, "{\"sum\":5}");
    call(&worker, names, "add", "{\"a\": ", &seen);
    CONTAINS(seen.error, "InputError: the input is no JSON: Expecting value at line 1 column 7");
    call(&worker, names, "boom", "luck", &seen);
    EXPECT(seen.error, "ValueError: bad luck");
    CONTAINS(seen.trace, "File \"module.py\", line 15, in boom\n    raise ValueError(");
    call(&worker, names, "late", "", &seen);
    if (strcmp(profile, "compute") == 0) {
        CONTAINS(seen.error, "ModuleNotFoundError: No module named 'xml'");
        CONTAINS(seen.error, "preload:");
    } else {
        EXPECT(seen.error, "");
    }
    printf("%s: results, errors, log and progress\n", profile);
    check_states(&worker, names, profile);

    /* Two workers of one zygote share neither globals nor random numbers; nor do two calls of one worker. */
    start(&zygote, &other);
    for (int turn = 1; turn <= 2; turn++) {
        char wanted[16];
        (void)snprintf(wanted, sizeof wanted, "%d", turn);
        call(&worker, names, "counted", "", &seen);
        EXPECT(seen.output, wanted);
        call(&other, names, "counted", "", &seen);
        EXPECT(seen.output, wanted);
        call(&worker, names, "draw", "", &seen);
        (void)snprintf(drawn, sizeof drawn, "%.60s", seen.output);
        call(&other, names, "draw", "", &seen);
        CHECK(strcmp(drawn, seen.output) != 0, "both drew %s", drawn);
    }
    printf("%s: workers share no globals and no random numbers\n", profile);
    stop(&other);
    stop(&worker);
    test_end(&zygote);
}

/* What cannot be an image is refused with place and reason, and the zygote ends. */
static void check_refusals(const test_setup *setup) {
    static const struct {
        const char *code, *preload, *reason;
    } cases[] = {
        {"def f(\n", NULL, "module.py:1:6: SyntaxError: '(' was never closed"},
        {"x = 1\n", NULL, "module.py: defines no function that can be called"},
        {"def f(): pass\n1 / 0\n", NULL, "module.py:2: while the module was loaded: ZeroDivisionError"},
        {"def f(): pass\n", "no_such_module", "preload: no module named 'no_such_module'"},
        {"import threading\nthreading.Thread(target=threading.Event().wait).start()\ndef f(): pass\n", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wy_zygote zygote;
        const char *preload[] = {cases[i].preload, NULL};
        CHECK(load(setup, "compute", cases[i].code, preload, &zygote) == ZY_FAILED, "case %zu was taken", i);
        CONTAINS(test_answer_tail(), cases[i].reason);
        test_end(&zygote);
    }
    printf("refusals: syntax, no function, a raise, a missing module, a second thread\n");
}

/* Malformed sources never reach the interpreter. */
static void check_malformed(const test_setup *setup) {
    static uint8_t source[4096];
    size_t bytes = test_python_source(source, "def f(): pass\n", NULL);
    for (size_t at = 0; at < sizeof(wy_python_source); at += 4) {
        wy_zygote zygote;
        wy_error error;
        source[at] ^= 0x40;
        test_launch_bytes(setup, "compute", WY_IMAGE_PYTHON, source, bytes, &zygote);
        CHECK(test_load(&zygote, &error) == ZY_FAILED, "word %zu", at / 4);
        CONTAINS(error.message, "malformed");
        test_end(&zygote);
        source[at] ^= 0x40;
    }
    printf("malformed sources: refused\n");
}

int main(int argc, char **argv) {
    test_setup setup;
    int zygote = open(WY_TEST_STAGE "/wayang-zygote", O_PATH | O_CLOEXEC);
    int python = open(WY_TEST_STAGE "/wayang_python.so", O_RDONLY | O_CLOEXEC);
    if (python < 0) {
        fprintf(stderr, "skipped: wayang_python.so was not built (install libpython3-dev)\n");
        return TEST_SKIPPED;
    }
    test_begin(&setup, argc, argv);
    setup.zygote_binary = zygote;
    setup.python = python;
    check_calls(&setup, "compute");
    check_calls(&setup, "standard");
    check_refusals(&setup);
    check_malformed(&setup);
    wy_policy_free(&setup.policy);
    return 0;
}
