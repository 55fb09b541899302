/* PS1, PS4: the migration agent as the spawner drives it: a call is written to a file and its worker ended; later, in another zygote of the
 * image, it goes on from the file and ends with the same bytes. And what happens when one of the three goes away in between. */
#include "mover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/agent.h"
#include "checkpoint/written.h"

#define CHAIN 0
#define ROUNDS "2000000"

static int refused, left; /* what a storm left behind */

typedef struct agent {
    pid_t pid;
    int control;
} agent;

static agent start_agent(const char *what, pid_t worker, pid_t zygote, int stream) {
    int control[2];
    char first[16], second[16];
    (void)snprintf(first, sizeof first, "%d", (int)worker);
    (void)snprintf(second, sizeof second, "%d", (int)zygote);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0, "%s", strerror(errno));
    pid_t pid = fork();
    CHECK(pid >= 0, "%s", strerror(errno));
    if (pid == 0) {
        int high = fcntl(stream, F_DUPFD, 100), other = fcntl(control[1], F_DUPFD, 100);
        (void)dup2(other, WY_AGENT_FD_CONTROL);
        (void)dup2(high, WY_AGENT_FD_STREAM);
        (void)close_range(WY_AGENT_FD_STREAM + 1, ~0u, 0);
        (void)execl(WY_TEST_STAGE "/wayang-migrate-agent", "wayang-migrate-agent", what, first, second, (char *)NULL);
        _exit(127);
    }
    (void)close(control[1]);
    return (agent){pid, control[0]};
}

static wy_agent_message hear(const agent *one) {
    wy_agent_message message;
    memset(&message, 0, sizeof message);
    test_wait_readable(one->control, "the agent's word");
    ssize_t got = recv(one->control, &message, sizeof message, 0);
    CHECK(got == (ssize_t)sizeof message, "the agent ended without a word");
    return message;
}

/* The first word of a restore, unless it failed before; then the last. */
static wy_agent_message hear_restored(const agent *one) {
    wy_agent_message message = hear(one);
    CHECK(message.word == WY_AGENT_READY, "%u: %s", message.word, message.error.message);
    return hear(one);
}

static void say_go(const agent *one) {
    const wy_agent_message go = {.word = WY_AGENT_GO};
    CHECK(send(one->control, &go, sizeof go, MSG_NOSIGNAL) == (ssize_t)sizeof go, "%s", strerror(errno));
}

static int end_agent(agent *one) {
    int status = 0;
    (void)close(one->control);
    CHECK(waitpid(one->pid, &status, 0) == one->pid, "%s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static uint64_t wait_answer(mover_call *call) {
    uint64_t answer = 0;
    for (int64_t until = mover_now_ns() + INT64_C(60000000000); !mover_answer(call, &answer);) {
        CHECK(mover_now_ns() < until, "no answer");
        (void)usleep(500);
    }
    return answer;
}

static int new_file(void) {
    int fd = memfd_create("captured", MFD_CLOEXEC);
    CHECK(fd >= 0, "%s", strerror(errno));
    return fd;
}

static pid_t zygote_of(const mover *m, int side) {
    return m->sides[side].zygote.zygote_pid;
}

static uint64_t run_alone(mover *m) {
    static mover_call call;
    mover_start(m, &call, 0);
    mover_ask(&call, CHAIN, ROUNDS);
    uint64_t answer = wait_answer(&call);
    mover_stop(&call);
    return answer;
}

/* A worker frozen in the middle of the call, written to a file; *one holds it. */
static int capture(mover *m, mover_call *call, const char *how, agent *one, wy_agent_message *told) {
    int file = new_file();
    mover_start(m, call, 0);
    mover_ask(call, CHAIN, ROUNDS);
    (void)usleep(20000);
    *one = start_agent(how, call->process.pid, zygote_of(m, 0), file);
    *told = hear(one);
    CHECK(told->word == WY_AGENT_DONE, "%s: %s", told->error.where, told->error.message);
    CHECK(lseek(file, 0, SEEK_SET) == 0, "%s", strerror(errno));
    return file;
}

static void through_a_file(mover *m, const char *how, int side, uint64_t wanted) {
    static mover_call call;
    agent source, target;
    wy_agent_message told, there;
    int file = capture(m, &call, how, &source, &told);
    mover_end_process(&call); /* as if the node had gone down */
    CHECK(end_agent(&source) == 0, "the agent of a worker that has ended fails");
    mover_fork_process(m, &call, side);
    target = start_agent("restore", call.process.pid, zygote_of(m, side), file);
    there = hear_restored(&target);
    CHECK(there.word == WY_AGENT_DONE, "%s: %s", there.error.where, there.error.message);
    say_go(&target);
    CHECK(end_agent(&target) == 0, "the agent failed");
    uint64_t answer = wait_answer(&call);
    CHECK(answer == wanted, "%016" PRIx64 " instead of %016" PRIx64, answer, wanted);
    printf("%s, then restored by zygote %d: the same answer; %" PRIu64 " KiB in %u rounds ahead (%" PRIu64 " KiB), frozen %.2f ms, restored in %.2f ms\n", how, side,
           told.bytes >> 10, told.rounds, told.live_bytes >> 10, (double)told.frozen_ns / 1e6, (double)there.frozen_ns / 1e6);
    mover_stop(&call);
    (void)close(file);
}

/* GO, a lost spawner and a lost agent: the captured worker goes on in each case. */
static void goes_on(mover *m, uint64_t wanted) {
    static const char *const cases[] = {"told to go", "its spawner hung up", "its agent was killed"};
    for (int i = 0; i < 3; i++) {
        static mover_call call;
        agent one;
        wy_agent_message told;
        int file = capture(m, &call, "capture", &one, &told);
        if (i == 0) {
            say_go(&one);
        } else if (i == 2) {
            (void)kill(one.pid, SIGKILL);
        }
        CHECK(end_agent(&one) == (i == 2 ? -1 : 0), "%s", cases[i]);
        uint64_t answer = wait_answer(&call);
        CHECK(answer == wanted, "%s: another answer", cases[i]);
        mover_stop(&call);
        (void)close(file);
        printf("captured, then %s: it goes on\n", cases[i]);
    }
}

/* A target that is not told to go, or whose stream is bad, or whose agent is lost, never runs. */
static void never_runs(mover *m) {
    static const char *const cases[] = {"its spawner hung up", "its agent was killed", "its stream is damaged", "its stream broke off"};
    for (int i = 0; i < 4; i++) {
        static mover_call call;
        agent source, target;
        wy_agent_message told;
        int file = capture(m, &call, "capture-whole", &source, &told), status;
        mover_end_process(&call);
        (void)end_agent(&source);
        uint64_t tail = call.memory.w->head;
        CHECK(i != 2 || pwrite(file, "damage", 6, (off_t)told.bytes / 2) == 6, "%s", strerror(errno));
        CHECK(i != 3 || ftruncate(file, (off_t)told.bytes - 30) == 0, "%s", strerror(errno));
        mover_fork_process(m, &call, 1);
        target = start_agent("restore", call.process.pid, zygote_of(m, 1), file);
        told = hear_restored(&target);
        CHECK(told.word == (i < 2 ? WY_AGENT_DONE : WY_AGENT_FAILED), "%s: %u", cases[i], told.word);
        CHECK(i < 2 || told.error.message[0] != '\0', "%s: no reason", cases[i]);
        if (i == 1) {
            (void)kill(target.pid, SIGKILL);
        }
        status = end_agent(&target);
        CHECK(status == (i == 0 ? 0 : i == 1 ? -1 : 1), "%s: %d", cases[i], status);
        CHECK(mover_reap(&call) == SIGKILL, "%s: the target was not killed", cases[i]);
        CHECK(call.memory.w->head == tail, "%s: the target ran", cases[i]);
        wy_channel_destroy(&call.memory);
        (void)close(file);
        printf("restored, then %s: it never runs\n", cases[i]);
    }
}

/* What an agent had the worker make and was killed before the kernel came to it, refused as the spawner does. */
static void answer_filter(const mover_call *call) {
    struct pollfd one = {call->process.listener, POLLIN, 0};
    if (poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0) {
        struct seccomp_notif notification;
        memset(&notification, 0, sizeof notification);
        CHECK(ioctl(call->process.listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0, "%s", strerror(errno));
        CHECK(notification.data.nr == SYS_userfaultfd && notification.data.args[0] == WY_WRITTEN_FLAGS, "call %d", notification.data.nr);
        struct seccomp_notif_resp refusal = {.id = notification.id, .error = -EPERM};
        (void)ioctl(call->process.listener, SECCOMP_IOCTL_NOTIF_SEND, &refusal);
        refused++;
    }
}

/* Whether the worker has a descriptor that an agent left there. */
static int has_left(pid_t pid) {
    char path[64], target[64];
    for (int fd = 0; fd < 16; fd++) {
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strcmp(target, "anon_inode:[userfaultfd]") == 0) {
            return 1;
        }
    }
    return 0;
}

/* The next agent takes it away, and moves the call as ever. */
static void take_away(const mover *m, const mover_call *call) {
    agent one = start_agent("capture-whole", call->process.pid, zygote_of(m, 0), new_file());
    wy_agent_message told = hear(&one);
    CHECK(told.word == WY_AGENT_DONE || told.error.status == WY_CLOSED, "%s: %s", told.error.where, told.error.message);
    CHECK(!has_left(call->process.pid), "it still has what an agent left");
    (void)end_agent(&one);
}

/* Killed at any instant: the agent of a call that is written down again and again. It always goes on, and ends as it should. */
static void storm(mover *m, uint64_t wanted) {
    static mover_call call;
    const char *times = getenv("WAYANG_KILLS");
    int kills = times == NULL ? 150 : atoi(times), done = 0, in_time = 0;
    unsigned seed = (unsigned)mover_now_ns();
    printf("storm of seed %u\n", seed);
    while (done < kills) {
        uint64_t answer = 0;
        int file = new_file();
        mover_start(m, &call, 0);
        mover_ask(&call, CHAIN, ROUNDS);
        for (int64_t until = mover_now_ns() + INT64_C(60000000000); !mover_answer(&call, &answer);) {
            CHECK(mover_now_ns() < until, "no answer");
            CHECK(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0, "%s", strerror(errno));
            agent one = start_agent(done % 2 == 0 ? "capture-whole" : "live-whole", call.process.pid, zygote_of(m, 0), file);
            (void)usleep((useconds_t)(rand_r(&seed) % (done % 2 == 0 ? 6000 : 12000)));
            (void)kill(one.pid, SIGKILL);
            in_time += end_agent(&one) == -1;
            done++;
            answer_filter(&call);
            if (has_left(call.process.pid)) {
                left++;
                take_away(m, &call);
            }
        }
        CHECK(answer == wanted, "after %d kills: %016" PRIx64 " instead of %016" PRIx64, done, answer, wanted);
        mover_stop(&call);
        (void)close(file);
    }
    printf("%d agents were killed at any instant (%d before they had ended): each call went on, with the same answer; %d calls of theirs were refused, "
           "%d descriptors taken away\n", done, in_time, refused, left);
}

static void *read_plugin(size_t *bytes) {
    struct stat facts;
    int fd = open(WY_TEST_JOBS, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &facts) == 0, "%s", strerror(errno));
    void *content = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    *bytes = (size_t)facts.st_size;
    return content;
}

int main(int argc, char **argv) {
    static mover m;
    test_setup setup;
    size_t bytes;
    int binary = open(WY_TEST_STAGE "/wayang-zygote", O_PATH | O_CLOEXEC);
    test_begin(&setup, argc, argv);
    (void)close(setup.zygote_binary);
    setup.zygote_binary = binary;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    void *plugin = read_plugin(&bytes);
    mover_open(&m, &setup, WY_IMAGE_C_PLUGIN, plugin, bytes);
    uint64_t wanted = run_alone(&m);
    through_a_file(&m, "capture", 0, wanted);
    through_a_file(&m, "capture-whole", 0, wanted);
    through_a_file(&m, "capture-whole", 1, wanted);
    through_a_file(&m, "live", 0, wanted);
    through_a_file(&m, "live-whole", 1, wanted);
    goes_on(&m, wanted);
    never_runs(&m);
    storm(&m, wanted);
    mover_close(&m);
    return 0;
}
