/* The keeper with a real spawner and a small real daemon: start, ordered end, deaths of each, what is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "keeper/keeper.h"
#include "keeper/protocol.h"

static char runtime[128], log_name[64], instance[64];
static int listener, link_fd = -1;
static pid_t daemon_pid;
static bool as_root;

static bool listen_for_daemons(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, log_name, strlen(log_name));
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return bind(listener, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(log_name))) == 0 &&
           listen(listener, 8) == 0;
}

static char configuration[16]; /* number of a descriptor of ours; empty: none */

static pid_t start_keeper(const char *mode, int owner_fd) {
    pid_t pid = fork();
    if (pid == 0) {
        if (owner_fd >= 0) {
            dup2(owner_fd, 0);
        }
        const char *owner = owner_fd >= 0 ? "0" : NULL;
        const char *arguments[] = {"wayang-keeper", "--runtime-dir", runtime, "--instance", instance, "--policy",
                                   WY_TEST_STAGE "/policy", "--native", WY_TEST_STAGE, "--", WY_TEST_DAEMON, mode, log_name,
                                   NULL, NULL, NULL, NULL, NULL};
        if (configuration[0] != 0) {
            const char *tail[] = {"--owner-fd", owner, "--configuration", configuration, "--", WY_TEST_DAEMON, mode, log_name, NULL};
            memcpy(arguments + 9, tail, sizeof tail);
        } else if (owner != NULL) {
            const char *tail[] = {"--owner-fd", owner, "--", WY_TEST_DAEMON, mode, log_name, NULL};
            memcpy(arguments + 9, tail, sizeof tail);
        }
        execv(WY_TEST_STAGE "/wayang-keeper", (char **)arguments);
        _exit(127);
    }
    return pid;
}

/* A daemon connects. */
static bool next_daemon(void) {
    struct pollfd source = {listener, POLLIN, 0};
    if (link_fd >= 0) {
        close(link_fd);
    }
    link_fd = poll(&source, 1, 20000) > 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    return link_fd >= 0;
}

static bool next_event(char *out, size_t capacity) {
    struct pollfd source = {link_fd, POLLIN, 0};
    ssize_t length = poll(&source, 1, 20000) > 0 ? recv(link_fd, out, capacity - 1, 0) : 0;
    out[length > 0 ? length : 0] = 0;
    return length > 0;
}

static bool event_is(const char *wanted) {
    char text[256];
    bool same = next_event(text, sizeof text) && strcmp(text, wanted) == 0;
    if (!same) {
        printf("  expected \"%s\", got \"%s\"\n", wanted, text);
    }
    return same;
}

/* The daemon's first words: who it is. */
static void check_identity(void) {
    char text[256];
    unsigned uid = 0;
    int pid = 0;
    CHECK(next_event(text, sizeof text) && sscanf(text, "pid %d uid %u", &pid, &uid) == 2);
    daemon_pid = pid;
    CHECK(uid == (as_root ? WY_DAEMON_UID : geteuid()));
    CHECK(strstr(text, "native readable") != NULL);
    if (as_root) {
        CHECK(strstr(text, "groups 0") != NULL);
        CHECK(strstr(text, "CapEff:\t0000000000000000") != NULL && strstr(text, "CapBnd:\t0000000000000000") != NULL);
        CHECK(strstr(text, "NoNewPrivs:\t1") != NULL);
    }
}

static int end_of(pid_t keeper) {
    int state = 0;
    waitpid(keeper, &state, 0);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
}

static pid_t child_named(pid_t parent, const char *name) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char comm[64] = "";
        snprintf(path, sizeof path, "/proc/%s/comm", word);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        length = read(fd, comm, sizeof comm - 1);
        close(fd);
        if (length > 0 && strncmp(comm, name, strlen(name)) == 0) {
            return (pid_t)strtol(word, NULL, 10);
        }
    }
    return -1;
}

static void clean(const char *group) {
    CHECK(access(runtime, F_OK) != 0 && errno == ENOENT); /* socket, lock and directory are gone */
    CHECK(kill(daemon_pid, 0) != 0);
    check_done(group);
}

static void begin(const char *mode, pid_t *keeper, int owner_fd) {
    *keeper = start_keeper(mode, owner_fd);
    CHECK(next_daemon());
    check_identity();
    CHECK(event_is("spawner 32"));
}

/* Whether this host lets us: a control group of the first version may have no time for such threads. */
static bool may_go_first(void) {
    pid_t child = fork();
    if (child == 0) {
        const struct sched_param lowest = {.sched_priority = 1};
        _exit(sched_setscheduler(0, SCHED_RR, &lowest) == 0 ? 0 : 1);
    }
    return end_of(child) == 0;
}

/* The daemon named the keeper first, which is no thread of its own, and then itself, when it weighed less than before. */
static void check_ranks(pid_t keeper) {
    const int wanted = as_root && may_go_first() ? SCHED_RR | SCHED_RESET_ON_FORK : SCHED_OTHER;
    for (int left = 4000; left > 0 && sched_getscheduler(daemon_pid) != wanted; left--) {
        poll(NULL, 0, 5); /* the keeper says nothing of it */
    }
    CHECK(sched_getscheduler(daemon_pid) == wanted);
    CHECK(!as_root || getpriority(PRIO_PROCESS, (id_t)daemon_pid) == -10);
    CHECK(sched_getscheduler(keeper) == SCHED_OTHER && getpriority(PRIO_PROCESS, (id_t)keeper) == 0);
    if (wanted == SCHED_OTHER) {
        printf("  no thread may go first here: seen that none does\n");
    }
}

static void ordered_end(void) {
    pid_t keeper;
    begin("serve", &keeper, -1);
    pid_t second = start_keeper("serve", -1);
    CHECK(end_of(second) == 1); /* the directory is locked */
    check_ranks(keeper);
    kill(keeper, SIGTERM);
    CHECK(event_is("shutdown"));
    CHECK(end_of(keeper) == 0);
    clean("start, the daemon's identity, a second keeper refused, ordered end");
}

static void deaths(void) {
    pid_t keeper;
    begin("serve", &keeper, -1);
    kill(child_named(keeper, "wayang-spawner"), SIGKILL);
    CHECK(event_is("spawner gone"));
    CHECK(event_is("spawner 32")); /* the same daemon, a new spawner */
    check_done("a killed spawner is started again and attached");
    CHECK(daemon_pid > 0 && kill(daemon_pid, SIGKILL) == 0);
    CHECK(next_daemon());
    check_identity();
    CHECK(event_is("spawner 32"));
    check_done("a killed daemon is started again, with a new spawner");
    pid_t spawner = child_named(keeper, "wayang-spawner");
    kill(keeper, SIGKILL);
    CHECK(end_of(keeper) == -SIGKILL);
    CHECK(waitpid(spawner, NULL, 0) == spawner && waitpid(daemon_pid, NULL, 0) == daemon_pid); /* orphans come to us */
    check_done("a killed keeper takes daemon and spawner along");
    begin("serve", &keeper, -1);
    kill(keeper, SIGINT);
    CHECK(event_is("shutdown"));
    CHECK(end_of(keeper) == 0);
    clean("the next start recovers, and leaves nothing");
}

static void ends(void) {
    pid_t keeper = start_keeper("fail", -1);
    CHECK(next_daemon());
    check_identity();
    CHECK(end_of(keeper) == 9);
    clean("a daemon that fails before it is ready is not started again");
    begin("exit", &keeper, -1);
    CHECK(event_is("shutdown"));
    CHECK(end_of(keeper) == 5);
    clean("a daemon's own wish to end, with its exit code");
    int owner[2];
    CHECK(pipe2(owner, O_CLOEXEC) == 0);
    begin("serve", &keeper, owner[0]);
    close(owner[0]);
    close(owner[1]);
    CHECK(event_is("shutdown"));
    CHECK(end_of(keeper) == 0);
    clean("the end of the owner's descriptor ends all");
    begin("stubborn", &keeper, -1);
    kill(keeper, SIGTERM);
    CHECK(event_is("shutdown"));
    kill(keeper, SIGTERM);
    CHECK(end_of(keeper) == 0);
    clean("a daemon that does not end is killed");
}

static int memory_file(const char *text, int seals) {
    int fd = memfd_create("configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fcntl(fd, F_ADD_SEALS, seals) == 0;
    CHECK(good);
    return fd;
}

static void hand_over(int owner, int number) {
    wy_control message = {.type = WY_CONTROL_CONFIGURATION, .value = number};
    CHECK(write(owner, &message, sizeof message) == (ssize_t)sizeof message);
}

static void configurations(void) {
    const int sealed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    pid_t keeper;
    int owner[2], first = memory_file("one", sealed), second = memory_file("two", sealed), open_one = memory_file("three", 0);
    CHECK(pipe2(owner, O_CLOEXEC) == 0);
    snprintf(configuration, sizeof configuration, "%d", first);
    keeper = start_keeper("serve", owner[0]);
    CHECK(next_daemon());
    check_identity();
    CHECK(event_is("first configuration one"));
    CHECK(event_is("spawner 32"));
    CHECK(write(owner[1], "anything else means nothing", 24) == 24);
    hand_over(owner[1], second);
    CHECK(event_is("new configuration two"));
    hand_over(owner[1], open_one); /* no seals: it could change, or end, while it is read */
    hand_over(owner[1], owner[0]);
    hand_over(owner[1], 9999);
    hand_over(owner[1], -1);
    hand_over(owner[1], first);
    CHECK(event_is("new configuration one"));
    hand_over(owner[1], second);
    CHECK(event_is("new configuration two"));
    close(first);
    close(second); /* the keeper has it */
    CHECK(daemon_pid > 0 && kill(daemon_pid, SIGKILL) == 0);
    CHECK(next_daemon());
    check_identity();
    CHECK(event_is("first configuration two"));
    CHECK(event_is("spawner 32"));
    close(owner[0]);
    close(owner[1]);
    CHECK(event_is("shutdown"));
    CHECK(end_of(keeper) == 0);
    clean("configurations: at the start, a new one, bad ones refused, the last one after a restart");
    snprintf(configuration, sizeof configuration, "%d", open_one);
    CHECK(pipe2(owner, O_CLOEXEC) == 0);
    CHECK(end_of(start_keeper("serve", owner[0])) == 1);
    close(owner[0]);
    close(owner[1]);
    close(open_one);
    configuration[0] = 0;
    clean("a configuration that is no sealed memory file is refused at the start");
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--unprivileged") == 0 && geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
        printf("skipped: cannot become an unprivileged user\n");
        return 77;
    }
    if (access(WY_TEST_STAGE "/wayang-keeper", X_OK) != 0) {
        printf("skipped: an unprivileged user cannot reach %s\n", WY_TEST_STAGE);
        return 77;
    }
    as_root = geteuid() == 0;
    prctl(PR_SET_DUMPABLE, 1); /* as after an exec: a change of user closes our /proc to the keeper */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(runtime, sizeof runtime, "/tmp/wayang-keeper-test-%d", (int)getpid());
    snprintf(log_name, sizeof log_name, "wayang-keeper-test-%d", (int)getpid());
    snprintf(instance, sizeof instance, "test-keeper-%d", (int)getpid());
    if (!listen_for_daemons()) {
        return 1;
    }
    ordered_end();
    deaths();
    ends();
    configurations();
    return check_failures != 0;
}
