/* Workers that stand still: nothing of them runs, whatever they do; they go on where they were, they die when they are killed, and the
 * end of a spawner leaves nothing frozen behind. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "driver.h"

#define ROUNDS 200

static driver d;
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool starts(uint64_t worker) {
    return driver_expect(&d, WY_MSG_WORKER_STARTED) && d.body.started.worker_id == worker;
}

static bool ends(uint64_t worker, wy_exit_kind kind) {
    return driver_expect(&d, WY_MSG_WORKER_EXITED) && d.body.exited.worker_id == worker && d.body.exited.kind == (uint32_t)kind;
}

/* Answered: how (WY_FROZEN_BY_*), 0 when refused. */
static uint32_t freeze(uint64_t worker, bool on) {
    const wy_msg_worker_freeze message = {.worker_id = worker, .freeze = on};
    wy_msg_worker_frozen answer;
    driver_send(&d, WY_MSG_WORKER_FREEZE, &message, sizeof message, NULL, 0);
    while (driver_receive(&d) && d.type != WY_MSG_WORKER_FROZEN && d.type != WY_MSG_REFUSED) {
    }
    if (d.type != WY_MSG_WORKER_FROZEN || d.length != sizeof answer) {
        return 0;
    }
    memcpy(&answer, d.body.bytes, sizeof answer);
    CHECK(answer.worker_id == worker && answer.frozen == message.freeze);
    return answer.how;
}

/* What waits in a pipe, until it has been silent so long; the bytes. */
static size_t drain(int fd, int silent_ms) {
    char text[4096];
    size_t total = 0;
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (poll(&one, 1, silent_ms) > 0) {
        ssize_t got = read(fd, text, sizeof text);
        if (got <= 0) {
            break;
        }
        total += (size_t)got;
    }
    return total;
}

static bool gone(pid_t pid) {
    for (int look = 0; look < 500; look++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (kill(pid, 0) != 0 && errno == ESRCH) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static void stands_still(uint32_t features) {
    char byte;
    int out;
    driver_command(&d, 1, 1, NULL, &out, ARGV("/bin/sh", "-c", "(while :; do echo a; sleep 0.01; done) & setsid sh -c 'while :; do echo b; sleep 0.01; done'"));
    CHECK(starts(1) && read(out, &byte, 1) == 1);
    uint32_t how = freeze(1, true);
    CHECK(how == ((features & WY_FEATURE_FREEZER) != 0 ? WY_FROZEN_BY_GROUP : WY_FROZEN_BY_SIGNAL));
    printf("     frozen by %s\n", how == WY_FROZEN_BY_GROUP ? "the freezer of its group" : "SIGSTOP");
    drain(out, 200); /* what stood in the pipe */
    CHECK(drain(out, 500) == 0);
    CHECK(freeze(1, true) != 0); /* twice is once */
    CHECK(drain(out, 200) == 0);
    CHECK(freeze(1, false) != 0);
    CHECK(read(out, &byte, 1) == 1);
    CHECK(freeze(1, false) == 0 || d.type == WY_MSG_WORKER_FROZEN);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(freeze(1, true) != 0 && freeze(1, false) != 0);
    }
    drain(out, 0);
    CHECK(read(out, &byte, 1) == 1);
    driver_signal(&d, 1, SIGKILL);
    CHECK(ends(1, WY_EXIT_KILLED));
    close(out);
    check_done("a frozen command stands still with its children and goes on, many times");
}

static void is_killed(void) {
    char byte;
    int out;
    driver_command(&d, 2, 1, NULL, &out, ARGV("/bin/sh", "-c", "echo x; while :; do :; done"));
    CHECK(starts(2) && read(out, &byte, 1) == 1);
    CHECK(freeze(2, true) != 0);
    driver_signal(&d, 2, SIGKILL);
    CHECK(ends(2, WY_EXIT_KILLED));
    close(out);
    CHECK(freeze(2, true) == 0 && d.type == WY_MSG_REFUSED);
    for (uint64_t id = 3; id < 6; id++) { /* the group that it had does not freeze whoever comes next */
        driver_command(&d, id, 1, NULL, NULL, ARGV("/bin/true"));
        CHECK(ends(id, WY_EXIT_CODE));
    }
    check_done("a frozen command is killed, and its group is as new");
}

static void terminates(void) {
    char byte;
    int out;
    driver_command(&d, 10, 1, NULL, &out, ARGV("/bin/sh", "-c", "trap 'exit 7' TERM; echo x; while :; do sleep 0.01; done"));
    CHECK(starts(10) && read(out, &byte, 1) == 1);
    CHECK(freeze(10, true) != 0);
    driver_signal(&d, 10, SIGTERM);
    CHECK(freeze(10, false) != 0);
    CHECK(ends(10, WY_EXIT_CODE) && d.body.exited.value == 7);
    close(out);
    check_done("a signal that came meanwhile is taken when it goes on");
}

/* Every process forks as fast as it can, and all but the first end where they may not: children are born without end. Each writes a
 * byte as it begins, so silence means that none is. */
static const char churn[] = "import os\nfirst = os.getpid()\nwhile True:\n"
                            "  try:\n    if os.fork() == 0: os.write(1, b'x')\n"
                            "  except OSError:\n    if os.getpid() != first: os._exit(0)\n"
                            "  try:\n    while os.waitpid(-1, os.WNOHANG)[0]: pass\n"
                            "  except ChildProcessError: pass\n";

static void bomb(void) {
    wy_msg_worker_start small = {.pids = 64};
    int out;
    char byte;
    driver_command(&d, 20, 1, &small, &out, ARGV("/usr/bin/python3", "-c", churn));
    CHECK(starts(20) && read(out, &byte, 1) == 1);
    for (int i = 0; i < 20; i++) {
        drain(out, 0);
        CHECK(freeze(20, true) != 0);
        drain(out, 100);
        CHECK(drain(out, 100) == 0);
        CHECK(freeze(20, false) != 0);
    }
    CHECK(freeze(20, true) != 0);
    drain(out, 200);
    CHECK(drain(out, 500) == 0);
    driver_signal(&d, 20, SIGKILL);
    CHECK(ends(20, WY_EXIT_KILLED));
    close(out);
    check_done("a frozen fork bomb stays frozen, and dies");
}

static void hostile(void) {
    const wy_msg_worker_freeze bad[] = {{.worker_id = 0, .freeze = 1}, {.worker_id = 1, .freeze = 2}, {.worker_id = 1, .reserved = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        driver_send(&d, WY_MSG_WORKER_FREEZE, &bad[i], sizeof bad[i], NULL, 0);
        CHECK(driver_expect(&d, WY_MSG_REFUSED) && strstr(d.body.failure.text, "WORKER_FREEZE") != NULL);
    }
    const wy_msg_worker_freeze foreign = {.worker_id = (uint64_t)getpid(), .freeze = 1};
    driver_send(&d, WY_MSG_WORKER_FREEZE, &foreign, sizeof foreign, NULL, 0);
    CHECK(driver_expect(&d, WY_MSG_REFUSED));
    check_done("malformed and foreign freezes are refused");
}

static pid_t frozen_command(uint64_t id, int *out) {
    char byte;
    driver_command(&d, id, 1, NULL, out, ARGV("/bin/sh", "-c", "echo x; while :; do :; done"));
    CHECK(starts(id));
    pid_t pid = d.body.started.pid;
    CHECK(read(*out, &byte, 1) == 1 && freeze(id, true) != 0);
    return pid;
}

static void nothing_is_left(const char *instance) {
    int out;
    pid_t pid = frozen_command(30, &out);
    CHECK(driver_kill(&d) == -SIGKILL);
    CHECK(driver_start(&d, instance)); /* as the keeper does */
    CHECK(gone(pid));
    close(out);
    CHECK(driver_command_image(&d, 1, "standard"));
    pid = frozen_command(31, &out);
    CHECK(driver_end(&d) == 0);
    CHECK(gone(pid));
    close(out);
    check_done("nothing stays frozen behind a spawner that was killed, or whose daemon hung up");
}

int main(int argc, char **argv) {
    char instance[40];
    int skip = driver_identity(argc, argv);
    if (skip != 0) {
        return skip;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(instance, sizeof instance, "test-freezing-%d", (int)getpid());
    if (!driver_start(&d, instance)) {
        return 1;
    }
    uint32_t features = d.body.welcome.features;
    CHECK(driver_command_image(&d, 1, "standard"));
    stands_still(features);
    is_killed();
    terminates();
    bomb();
    hostile();
    nothing_is_left(instance);
    return check_failures != 0;
}
