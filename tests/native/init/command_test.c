/* PS1, IM1: command workers: real programs, their ends, signals, bounds, and what they can see. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES 8192

typedef struct command {
    int boot, pidfd, listener, out;
    pid_t pid;
    char text[OUTPUT_BYTES]; /* stdout and stderr together */
    size_t length;
    wy_boot ended;
} command;

/* The arguments file of: cwd "", argv (NULL-terminated), one variable. */
static int arguments_file(const char *const *argv, const char *variable) {
    char data[4096];
    uint32_t header[4] = {WY_ARGUMENTS_MAGIC, 0, variable != NULL, 0};
    size_t at = sizeof header;
    data[at++] = '\0';
    for (; argv[header[1]] != NULL; header[1]++) {
        at += (size_t)snprintf(data + at, sizeof data - at, "%s", argv[header[1]]) + 1;
    }
    if (variable != NULL) {
        at += (size_t)snprintf(data + at, sizeof data - at, "%s", variable) + 1;
    }
    memcpy(data, header, sizeof header);
    int fd = memfd_create("arguments", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && write(fd, data, at) == (ssize_t)at, "%s", strerror(errno));
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0, "%s", strerror(errno));
    return fd;
}

static void start(const wy_zygote *zygote, const char *const *argv, const char *input, uint32_t pids, command *out) {
    int boot[2], in[2], output[2];
    memset(out, 0, sizeof *out);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) == 0, "%s", strerror(errno));
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0, "%s", strerror(errno));
    CHECK(write(in[1], input, strlen(input)) == (ssize_t)strlen(input), "%s", strerror(errno));
    (void)close(in[1]);
    int fds[] = {boot[1], arguments_file(argv, "WAYANG_TEST=yes"), in[0], output[1], output[1]};
    test_send_fork(zygote, fds, 5, pids);
    for (int i = 0; i < 4; i++) {
        (void)close(fds[i]);
    }
    out->pidfd = test_receive_forked(zygote);
    out->pid = test_pid_of(out->pidfd);
    out->boot = boot[0];
    out->out = output[0];
    wy_boot ready;
    test_wait_readable(out->boot, "BOOT_READY");
    CHECK(recv(out->boot, &ready, sizeof ready, 0) == (ssize_t)sizeof ready, "init ended before READY");
    CHECK(ready.type == WY_BOOT_READY, "%s: %s", ready.error.where, ready.error.message);
    out->listener = (int)syscall(SYS_pidfd_getfd, out->pidfd, WY_WORKER_FD_SECCOMP_LISTENER, 0);
    CHECK(out->listener >= 0, "pidfd_getfd: %s", strerror(errno));
    wy_boot go;
    memset(&go, 0, sizeof go);
    go.type = WY_BOOT_GO;
    CHECK(send(out->boot, &go, sizeof go, MSG_NOSIGNAL) == (ssize_t)sizeof go, "%s", strerror(errno));
}

static void send_signal(const command *one, int number) {
    wy_boot message;
    memset(&message, 0, sizeof message);
    message.type = WY_BOOT_SIGNAL;
    message.value = number;
    CHECK(send(one->boot, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message, "%s", strerror(errno));
}

/* Reads the output to its end, then the report, then reaps init. */
static void finish(command *one) {
    for (;;) {
        test_wait_readable(one->out, "output");
        CHECK(one->length < OUTPUT_BYTES - 1, "more output than expected");
        ssize_t got = read(one->out, one->text + one->length, OUTPUT_BYTES - 1 - one->length);
        if (got <= 0) {
            break;
        }
        one->length += (size_t)got;
    }
    test_wait_readable(one->boot, "BOOT_ENDED");
    CHECK(recv(one->boot, &one->ended, sizeof one->ended, 0) == (ssize_t)sizeof one->ended, "no BOOT_ENDED");
    CHECK(one->ended.type == WY_BOOT_ENDED, "type %u", one->ended.type);
    int status = test_reap(one->pidfd, one->pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "init: %x", (unsigned)status);
    (void)close(one->boot);
    (void)close(one->pidfd);
    (void)close(one->listener);
    (void)close(one->out);
}

static void expect(const wy_zygote *zygote, const char *const *argv, const char *input, uint32_t kind, int value,
                   const char *text) {
    command one;
    start(zygote, argv, input, 0, &one);
    finish(&one);
    CHECK(one.ended.kind == kind && one.ended.value == value, "%s %s: kind %u value %d, output: %s", argv[0],
          argv[1] == NULL ? "" : argv[1], one.ended.kind, one.ended.value, one.text);
    CHECK(text == NULL || strstr(one.text, text) != NULL, "%s: output: %s", argv[0], one.text);
}

static void shell(const wy_zygote *zygote, const char *script, uint32_t kind, int value, const char *text) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    expect(zygote, argv, "", kind, value, text);
}

static void check_programs(const wy_zygote *zygote) {
    const char *const sha[] = {"/usr/bin/sha256sum", NULL};
    expect(zygote, sha, "abc", 1, 0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    shell(zygote, "printf abc | gzip -c | gzip -dc | tr a-c A-C", 1, 0, "ABC");
    shell(zygote, "pwd; echo $WAYANG_TEST $HOME $PATH; id -u; hostname", 1, 0,
          "/tmp\nyes /tmp /usr/local/bin:/usr/bin:/bin\n1000\nwayang\n");
    shell(zygote, "exit 42", 1, 42, NULL);
    shell(zygote, "kill -SEGV $$", 2, SIGSEGV, NULL);
    shell(zygote, "(sleep 1000 &) ; exec true", 1, 0, NULL);
    if (access("/usr/bin/python3", X_OK) == 0) {
        const char *const python[] = {"/usr/bin/python3", "-I", "-c",
                                      "import threading,subprocess,tempfile\n"
                                      "t=threading.Thread(target=print,args=('thread',));t.start();t.join()\n"
                                      "print(subprocess.check_output(['echo','child']).decode())",
                                      NULL};
        expect(zygote, python, "", 1, 0, "thread\nchild");
    }
    if (access("/usr/bin/gcc", X_OK) == 0) {
        shell(zygote, "echo 'int main(void){return 9;}' > a.c && gcc -o a a.c && ./a", 1, 9, NULL);
    }
    printf("programs: sha256sum, pipelines, exit codes, signals, orphans, python3, gcc\n");
}

static void check_failures(const wy_zygote *zygote) {
    const char *const missing[] = {"no-such-program", NULL}, *const directory[] = {"/usr", NULL};
    expect(zygote, missing, "", 1, 127, "wayang: cannot execute 'no-such-program': No such file or directory");
    expect(zygote, directory, "", 1, 126, "wayang: cannot execute '/usr': ");
    printf("failures: 127 and 126 with the reason on stderr\n");
}

static void check_view(const wy_zygote *zygote) {
    shell(zygote, "cat /etc/shadow", 1, 1, "No such file");
    shell(zygote, "ls /", 1, 0, "bin\ndev\netc\n");
    shell(zygote, "touch /usr/x", 1, 1, NULL);
    shell(zygote, "touch /x", 1, 1, NULL);
    shell(zygote, "touch /tmp/x && ls /proc | grep -c '^[0-9]'", 1, 0, NULL);
    shell(zygote, "ls -l /proc/self/fd | grep -c ' -> '", 1, 0, "4\n"); /* 0, 1, 2 and the directory it lists */
    shell(zygote, "cat /proc/1/environ", 1, 1, "Permission denied");
    shell(zygote, "grep -E '^(Seccomp|NoNewPrivs|CapBnd|CapEff):' /proc/self/status", 1, 0,
          "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    shell(zygote, "wc -l < /proc/net/dev; cat /sys/kernel/uevent_seqnum", 1, 1, NULL);
    printf("view: nothing of the host but the profile's paths, read-only; init cannot be looked into\n");
}

static void check_signals(const wy_zygote *zygote) {
    const char *const trap[] = {"/bin/sh", "-c",
                                "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.01; done", NULL};
    command one;
    start(zygote, trap, "", 0, &one);
    test_wait_readable(one.out, "the command's first line");
    send_signal(&one, SIGTERM);
    finish(&one);
    CHECK(one.ended.kind == 1 && one.ended.value == 5 && strstr(one.text, "caught") != NULL, "%s", one.text);

    const char *const sleeper[] = {"sleep", "1000", NULL};
    start(zygote, sleeper, "", 0, &one);
    send_signal(&one, SIGKILL); /* also before the command has its group */
    finish(&one);
    CHECK(one.ended.kind == 2 && one.ended.value == SIGKILL, "kind %u value %d", one.ended.kind, one.ended.value);
    printf("signals: TERM reaches a trap, KILL ends\n");
}

static void check_violation(const wy_zygote *zygote) {
    const char *const unshare[] = {"unshare", "--user", "true", NULL};
    command one;
    start(zygote, unshare, "", 0, &one);
    int number = test_next_notification(one.listener);
    CHECK(number == SYS_unshare, "%s", wy_syscall_name(number));
    (void)kill(one.pid, SIGKILL);
    (void)test_reap(one.pidfd, one.pid);
    printf("violation: unshare from a program reaches the listener\n");
}

/* A fork bomb is bounded by RLIMIT_NPROC, and killing init ends all of it. */
static void check_fork_bomb(const wy_zygote *zygote) {
    const char *const bomb[] = {"/bin/sh", "-c",
                                "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo all", NULL};
    command one;
    start(zygote, bomb, "", 16, &one);
    while (strstr(one.text, "ork") == NULL) { /* "Cannot fork", in as many pieces as the shell writes */
        test_wait_readable(one.out, "the shell's complaint");
        ssize_t got = read(one.out, one.text + one.length, OUTPUT_BYTES - 1 - one.length);
        CHECK(got > 0 && strstr(one.text, "all") == NULL, "%s", one.text);
        one.length += (size_t)got;
    }
    (void)kill(one.pid, SIGKILL);
    (void)test_reap(one.pidfd, one.pid);
    char rest[64];
    test_wait_readable(one.out, "the end of the pipe");
    while (read(one.out, rest, sizeof rest) > 0) { /* ends when the last of them is gone */
    }
    printf("fork bomb: bounded at 16 processes, ended with its init\n");
}

static void check_refused_arguments(const wy_zygote *zygote) {
    int boot[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) == 0, "%s", strerror(errno));
    int fds[] = {boot[1], null, null, null, null};
    test_send_fork(zygote, fds, 5, 0);
    int pidfd = test_receive_forked(zygote);
    wy_boot answer;
    test_wait_readable(boot[0], "BOOT_FAILED");
    CHECK(recv(boot[0], &answer, sizeof answer, 0) == (ssize_t)sizeof answer, "nothing came");
    CHECK(answer.type == WY_BOOT_FAILED && strcmp(answer.error.where, "arguments") == 0, "%s", answer.error.where);
    (void)test_reap(pidfd, test_pid_of(pidfd));
    printf("arguments: an unsealed file is refused with the step's name\n");
}

int main(int argc, char **argv) {
    test_setup setup;
    wy_zygote zygote;
    test_begin(&setup, argc, argv);
    test_launch(&setup, "standard", WY_IMAGE_COMMAND, NULL, &zygote);
    CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
    check_programs(&zygote);
    check_failures(&zygote);
    check_view(&zygote);
    check_signals(&zygote);
    check_violation(&zygote);
    check_fork_bomb(&zygote);
    check_refused_arguments(&zygote);
    test_end(&zygote);
    wy_policy_free(&setup.policy);
    return 0;
}
