/* Runs one program as an ordinary init would: whoever loses its parent below us becomes our child, and is reaped with a
 * plain waitpid, without __WALL. So a test can tell by the process tree alone what a killed runtime left behind, zombies
 * included, however many other runtimes live on the machine.
 *
 *     orphanage LOG PROGRAM [ARGUMENT...]
 *
 * LOG takes the program's stdout and stderr. Our stdout says "started PID", then "ended PID code N" or "ended PID signal N".
 * The end of our stdin kills everything below us, then us: a test that dies leaves nothing. Exit codes: 0, 1 cannot start. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_ROUNDS 500 /* of 10 ms */

static pid_t start(const char *log, char **arguments) {
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0 || setsid() < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(126);
    }
    execvp(arguments[0], arguments);
    fprintf(stderr, "orphanage: %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static void reap(pid_t program) {
    int state;
    pid_t pid;
    while ((pid = waitpid(-1, &state, WNOHANG)) > 0) {
        if (pid == program) {
            int signalled = WIFSIGNALED(state);
            printf("ended %d %s %d\n", (int)pid, signalled ? "signal" : "code", signalled ? WTERMSIG(state) : WEXITSTATUS(state));
            fflush(stdout);
        }
    }
}

/* Each round kills our children; theirs become ours and have their turn in the next. */
static void kill_all(void) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < END_ROUNDS; round++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0) {
            close(fd);
        }
        if (length <= 0) {
            return;
        }
        text[length] = 0;
        char *rest = NULL;
        for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
            kill((pid_t)strtol(word, NULL, 10), SIGKILL);
        }
        poll(NULL, 0, 10);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {
        }
    }
}

int main(int argc, char **argv) {
    sigset_t set;
    if (argc < 3 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        fputs("usage: orphanage LOG PROGRAM [ARGUMENT...]\n", stderr);
        return 1;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    pid_t program = signal_fd >= 0 ? start(argv[1], argv + 2) : -1;
    if (program < 0) {
        perror("orphanage");
        return 1;
    }
    printf("started %d\n", (int)program);
    fflush(stdout);
    for (;;) {
        struct pollfd sources[] = {{signal_fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        char ignored[64];
        struct signalfd_siginfo info;
        if (poll(sources, 2, -1) < 0) {
            continue;
        }
        while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        }
        reap(program);
        if (sources[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) {
            kill_all();
            return 0;
        }
    }
}
