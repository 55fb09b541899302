#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20 /* how often a child that is silent is looked at */

void wy_say(wy_answer *answer, wy_verdict verdict, const char *format, ...) {
    va_list arguments;
    answer->verdict = verdict;
    va_start(arguments, format);
    (void)vsnprintf(answer->value, sizeof answer->value, format, arguments);
    va_end(arguments);
    for (char *c = answer->value; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' ';
        }
    }
}

void wy_say_errno(wy_answer *answer, const char *what) {
    wy_say(answer, WY_PROBE_NO, "%s: %s", what, strerror(errno));
}

void wy_first_line(const char *path, char *out, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, out, capacity - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ended, and not yet reaped: its number is still its own. */
static int has_ended(pid_t child) {
    siginfo_t end;
    memset(&end, 0, sizeof end);
    return waitid(P_PID, (id_t)child, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == child;
}

/* Reads a whole answer; 0 when the child ended without one, -1 when the time ran out. What the child started may hold the
 * pipe open beyond its end, so the end of file alone says nothing. */
static int read_answer(int from, pid_t child, int limit_ms, wy_answer *answer) {
    int64_t end = now_ms() + limit_ms;
    size_t filled = 0;
    while (filled < sizeof *answer) {
        int over = has_ended(child);
        struct pollfd source = {.fd = from, .events = POLLIN};
        int ready = poll(&source, 1, over ? 0 : LOOK_MS);
        if (ready == 0 && over) {
            return 0;
        }
        if (ready == 0 && now_ms() >= end) {
            return -1;
        }
        ssize_t got = ready <= 0 ? -1 : read(from, (char *)answer + filled, sizeof *answer - filled);
        if (got == 0) {
            return 0;
        }
        if (got < 0 && ready != 0 && errno != EINTR) {
            return 0;
        }
        filled += got > 0 ? (size_t)got : 0;
    }
    answer->value[sizeof answer->value - 1] = '\0';
    return 1;
}

static _Noreturn void run_child(const wy_check *check, const wy_probe_context *context, int to) {
    wy_answer answer = {.verdict = WY_PROBE_UNKNOWN};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setsid(); /* a group of its own: killed with all that it started */
    (void)signal(SIGPIPE, SIG_DFL);
    check->run(context, &answer);
    ssize_t put = write(to, &answer, sizeof answer);
    _exit(put == (ssize_t)sizeof answer ? 0 : 1);
}

void wy_check_run(const wy_check *check, const wy_probe_context *context, wy_answer *answer) {
    int line[2], state = 0;
    int limit_ms = check->limit_ms > 0 ? check->limit_ms : WY_PROBE_LIMIT_MS;
    if (pipe2(line, O_CLOEXEC) != 0) {
        wy_say(answer, WY_PROBE_UNKNOWN, "no pipe: %s", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)close(line[0]);
        run_child(check, context, line[1]);
    }
    (void)close(line[1]);
    if (child < 0) {
        (void)close(line[0]);
        wy_say(answer, WY_PROBE_UNKNOWN, "no process: %s", strerror(errno));
        return;
    }
    int answered = read_answer(line[0], child, limit_ms, answer);
    (void)close(line[0]);
    if (answered < 0) {
        (void)kill(child, SIGKILL);
    }
    (void)kill(-child, SIGKILL); /* with what it left behind */
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
    }
    if (answered < 0) {
        wy_say(answer, WY_PROBE_UNKNOWN, "no answer within %d ms", limit_ms);
    } else if (answered == 0) {
        wy_say(answer, WIFSIGNALED(state) ? WY_PROBE_NO : WY_PROBE_UNKNOWN, "the attempt was ended by %s %d",
               WIFSIGNALED(state) ? "signal" : "exit code", WIFSIGNALED(state) ? WTERMSIG(state) : WEXITSTATUS(state));
    }
}
