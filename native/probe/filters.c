/* seccomp and Landlock, each installed and then run into. */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define MARK 87       /* an errno that no getppid returns */
#define NOTIFIED 4711 /* the value that a supervisor gives */

/* Judges getppid, lets all else pass. The probe is one architecture's program: no check of it. */
static long install(uint32_t verdict, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, verdict),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void filter(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    if (install(SECCOMP_RET_ERRNO | MARK, 0) != 0) {
        wy_say_errno(answer, "seccomp");
        return;
    }
    long result = syscall(SYS_getppid);
    int held = result == -1 && errno == MARK;
    wy_say(answer, held ? WY_PROBE_YES : WY_PROBE_NO, held ? "a filter refuses the call it names" : "the filter does not hold");
}

/* Answers one notification; 0, or -1 with errno. */
static int supervise(int listener) {
    struct seccomp_notif asked;
    struct seccomp_notif_resp answer;
    struct pollfd source = {.fd = listener, .events = POLLIN};
    memset(&asked, 0, sizeof asked);
    memset(&answer, 0, sizeof answer);
    if (poll(&source, 1, 3000) != 1 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
        return -1;
    }
    answer.id = asked.id;
    answer.val = NOTIFIED;
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void notify(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int state = 0;
    long listener = install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0) {
        wy_say_errno(answer, "seccomp with a listener");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(syscall(SYS_getppid) == NOTIFIED ? 0 : 1);
    }
    if (child < 0 || supervise((int)listener) != 0 || waitpid(child, &state, 0) != child) {
        wy_say_errno(answer, "the notification");
        return;
    }
    int held = WIFEXITED(state) && WEXITSTATUS(state) == 0;
    wy_say(answer, held ? WY_PROBE_YES : WY_PROBE_NO, "a supervisor sees the call and %s it", held ? "answers" : "cannot answer");
}

static void landlock(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    wy_error error;
    int abi = wy_landlock_abi();
    if (abi <= 0) {
        wy_say_errno(answer, "landlock_create_ruleset");
        return;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || wy_landlock_enter(abi, 0, 0, &error) != WY_OK) {
        wy_say(answer, WY_PROBE_NO, "ABI %d, but it cannot be entered: %.100s", abi, error.message);
        return;
    }
    int held = open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES;
    wy_say(answer, held ? WY_PROBE_YES : WY_PROBE_NO, "ABI %d%s", abi, held ? "" : ", but it does not hold");
}

const wy_check wy_filter_checks[] = {
    {"sandbox.seccomp", filter, 0},
    {"sandbox.seccomp_notify", notify, 0},
    {"sandbox.landlock", landlock, 0},
    {NULL, NULL, 0},
};
