/* PS1: what stands around a live call worker, read back from outside, and what its system calls get. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_status(pid_t pid, const char *key, char *out, size_t size) {
    char path[64], line[256];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL, "%s", path);
    out[0] = '\0';
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(out, size, "%s", line + strlen(key) + 1 + strspn(line + strlen(key) + 1, "\t "));
        }
    }
    (void)fclose(file);
}

static void check_status(pid_t pid, const test_setup *setup) {
    static const char *const zero[] = {"CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"};
    char value[128];
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++) {
        read_status(pid, zero[i], value, sizeof value);
        CHECK(strcmp(value, "0000000000000000") == 0, "%s: %s", zero[i], value);
    }
    read_status(pid, "Seccomp", value, sizeof value);
    CHECK(strcmp(value, "2") == 0, "Seccomp: %s", value);
    read_status(pid, "NoNewPrivs", value, sizeof value);
    CHECK(strcmp(value, "1") == 0, "NoNewPrivs: %s", value);
    read_status(pid, "Uid", value, sizeof value);
    CHECK(strtoul(value, NULL, 10) == (setup->as_root ? TEST_IMAGE_UID : geteuid()), "Uid: %s", value);
    read_status(pid, "Gid", value, sizeof value);
    CHECK(strtoul(value, NULL, 10) != 0, "Gid: %s", value);
    if (setup->as_root) {
        read_status(pid, "Groups", value, sizeof value);
        CHECK(value[0] == '\0', "Groups: %s", value);
    }
    printf("status: capabilities zero, seccomp 2, no_new_privs, uid of the image\n");
}

/* A worker begins with an ordinary weight, not with the spawner's. */
static void check_weight(pid_t zygote, pid_t worker) {
    int forks = sched_getscheduler(zygote), works = sched_getscheduler(worker);
    CHECK(forks >= 0 && (forks & SCHED_RESET_ON_FORK) != 0, "the zygote hands on what it weighs: %d", forks);
    CHECK(works == SCHED_OTHER, "the worker's policy: %d", works);
}

static void check_namespaces(pid_t pid) {
    static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char ours[64], path[64];
        struct stat mine, theirs;
        (void)snprintf(ours, sizeof ours, "/proc/self/ns/%s", names[i]);
        (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, names[i]);
        CHECK(stat(ours, &mine) == 0 && stat(path, &theirs) == 0, "%s: %s", path, strerror(errno));
        CHECK(mine.st_ino != theirs.st_ino, "the worker shares our %s namespace", names[i]);
    }
    printf("namespaces: seven, none of them ours\n");
}

static void check_descriptors(pid_t pid) {
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[128];
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        CHECK((length > 0) == (fd == WY_WORKER_FD_DOORBELL), "descriptor %d", fd);
    }
    printf("descriptors: only the doorbell\n");
}

static void check_root(pid_t pid, int files) {
    static const char *const hidden[] = {"etc/shadow", "root", "home", "var", "work", "sys", "boot"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        char path[96];
        struct stat facts;
        (void)snprintf(path, sizeof path, "/proc/%d/root/%s", (int)pid, hidden[i]);
        CHECK(stat(path, &facts) != 0 && errno == ENOENT, "%s is reachable (%s)", path, strerror(errno));
    }
    char path[64];
    struct stat facts;
    (void)snprintf(path, sizeof path, "/proc/%d/root/usr/bin", (int)pid);
    CHECK((stat(path, &facts) == 0) == (files != 0), "%s: %s", path, strerror(errno));
    printf("root: %s\n", files ? "the profile's paths and nothing else of the host" : "empty");
}

static int64_t run_calls(const wy_zygote *zygote, const test_call *calls, uint32_t count, test_worker *worker) {
    test_start_call(zygote, calls, count, worker);
    test_go(worker);
    test_wait_readable(worker->doorbell, "the worker's doorbell");
    return 0;
}

static void finish(test_worker *worker) {
    __atomic_store_n(&worker->d->doorbell, 1, __ATOMIC_RELEASE);
    (void)syscall(SYS_futex, &worker->d->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
    int status = test_reap(worker->pidfd, worker->pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == TEST_EXIT_CODE, "status %x", (unsigned)status);
    test_close(worker);
}

static void check_read_back(const test_setup *setup, const char *profile, int files) {
    wy_zygote zygote;
    test_worker worker;
    test_launch(setup, profile, WY_IMAGE_C_PLUGIN, "hostile", &zygote);
    CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
    (void)run_calls(&zygote, NULL, 0, &worker);
    printf("-- %s, %s\n", profile, setup->as_root ? "as root" : "unprivileged");
    check_status(worker.pid, setup);
    check_weight(zygote.zygote_pid, worker.pid);
    check_namespaces(worker.pid);
    check_descriptors(worker.pid);
    check_root(worker.pid, files);
    finish(&worker);
    test_end(&zygote);
}

static const test_results *results_of(const test_worker *worker) {
    return (const test_results *)((const char *)worker->w + TEST_OFFSET);
}

static void check_compute_denies(const test_setup *setup) {
    static const test_call calls[] = {
        {SYS_openat, {AT_FDCWD, 0, 0}},
        {SYS_socket, {1, 1, 0}},
        {SYS_clone, {SIGCHLD}},
        {SYS_execve, {0}},
        {SYS_write, {2, 0, 0}},
        {SYS_timer_create, {0}},
        {SYS_mmap, {0, 4096, 3, 0x21, -1, 0}},
        {SYS_getpid, {0}},
        {SYS_clone3, {0}},
        {SYS_dup, {3}},
    };
    static const int64_t wanted[] = {-EPERM, -EAFNOSUPPORT, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, 1, -ENOSYS, -EPERM};
    wy_zygote zygote;
    test_worker worker;
    test_launch(setup, "compute", WY_IMAGE_C_PLUGIN, "plain", &zygote);
    CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
    (void)run_calls(&zygote, calls, sizeof calls / sizeof calls[0], &worker);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        CHECK(results_of(&worker)->values[i] == wanted[i], "call %zu (%s): %lld, wanted %lld", i,
              wy_syscall_name((int)calls[i].number), (long long)results_of(&worker)->values[i], (long long)wanted[i]);
    }
    printf("compute: files, sockets, processes, timers, shared mappings are refused with an errno\n");
    finish(&worker);
    test_end(&zygote);
}

static void check_violations(const test_setup *setup) {
    static const int dangerous[] = {SYS_ptrace, SYS_mount, SYS_bpf, SYS_unshare, SYS_keyctl, SYS_io_uring_setup};
    static const char *const profiles[] = {"compute", "standard"};
    for (size_t p = 0; p < 2; p++) {
        wy_zygote zygote;
        test_launch(setup, profiles[p], WY_IMAGE_C_PLUGIN, "plain", &zygote);
        CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
        for (size_t i = 0; i < sizeof dangerous / sizeof dangerous[0]; i++) {
            test_call call = {dangerous[i], {0}};
            test_worker worker;
            test_start_call(&zygote, &call, 1, &worker);
            test_go(&worker);
            int number = test_next_notification(worker.listener);
            CHECK(number == dangerous[i], "%d reported, wanted %d", number, dangerous[i]);
            (void)kill(worker.pid, SIGKILL);
            (void)test_reap(worker.pidfd, worker.pid);
            test_close(&worker);
        }
        test_end(&zygote);
    }
    printf("violations: each dangerous call reaches the listener, in both profiles\n");
}

/* Pid 1 survives its own SIGABRT: the worker must end all the same, and tell it apart from a plain exit. */
static void check_abort(const test_setup *setup) {
    const test_call call = {SYS_tgkill, {1, 1, SIGABRT}};
    wy_zygote zygote;
    test_worker worker;
    test_launch(setup, "compute", WY_IMAGE_C_PLUGIN, "plain", &zygote);
    CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
    test_start_call(&zygote, &call, 1, &worker);
    test_go(&worker);
    int status = test_reap(worker.pidfd, worker.pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == WY_WORKER_EXIT_ABORTED, "status %x", (unsigned)status);
    test_close(&worker);
    test_end(&zygote);
    printf("abort: ends the worker with its own exit code\n");
}

static void check_refusals(const test_setup *setup) {
    wy_zygote zygote;
    wy_error error;
    test_launch(setup, "standard", WY_IMAGE_C_PLUGIN, "thread", &zygote);
    CHECK(test_load(&zygote, &error) == ZY_FAILED, "an image with a second thread was taken");
    CHECK(strstr(error.message, "thread") != NULL, "%s", error.message);
    test_end(&zygote);
    test_launch(setup, "compute", WY_IMAGE_C_PLUGIN, "broken", &zygote);
    CHECK(test_load(&zygote, &error) == ZY_FAILED, "a broken image was taken");
    CHECK(strcmp(error.message, "asked to fail") == 0, "%s", error.message);
    test_end(&zygote);
    printf("refusals: a second thread, a failing image, with their reasons\n");
}

/* The holder's death ends zygote and workers; nothing of them is left on the host. */
static void check_holder_kill(const test_setup *setup) {
    wy_zygote zygote;
    test_worker workers[4];
    test_launch(setup, "standard", WY_IMAGE_C_PLUGIN, "plain", &zygote);
    CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
    for (int i = 0; i < 4; i++) {
        test_start_call(&zygote, NULL, 0, &workers[i]);
    }
    (void)kill(zygote.holder_pid, SIGKILL);
    for (int i = 0; i < 4; i++) {
        int status = test_reap(workers[i].pidfd, workers[i].pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", (unsigned)status);
        test_close(&workers[i]);
    }
    test_end(&zygote);
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD, "a child is left");
    printf("holder killed: zygote and workers ended, no child left\n");
}

/* The spawner's own death (it is killed, it tells nobody) ends holder, zygote and worker. */
static void check_spawner_kill(const test_setup *setup) {
    int ready[2];
    char byte = 0;
    CHECK(pipe2(ready, O_CLOEXEC) == 0, "%s", strerror(errno));
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "%s", strerror(errno));
    pid_t spawner = fork();
    if (spawner == 0) {
        wy_zygote zygote;
        test_worker worker;
        test_launch(setup, "standard", WY_IMAGE_C_PLUGIN, "plain", &zygote);
        CHECK(test_load(&zygote, NULL) == ZY_READY, "the zygote is not ready");
        (void)run_calls(&zygote, NULL, 0, &worker);
        CHECK(write(ready[1], "r", 1) == 1, "%s", strerror(errno));
        for (;;) {
            (void)pause();
        }
    }
    (void)close(ready[1]);
    test_wait_readable(ready[0], "the spawner's worker");
    CHECK(read(ready[0], &byte, 1) == 1, "the spawner ended");
    (void)close(ready[0]);
    (void)kill(spawner, SIGKILL);
    (void)alarm(TEST_WAIT_MS / 1000); /* a child that lives on would keep us here */
    int ended = 0;
    while (waitpid(-1, NULL, __WALL) > 0) {
        ended++;
    }
    (void)alarm(0);
    CHECK(errno == ECHILD && ended == 4, "%d of spawner, holder, zygote and worker ended", ended);
    printf("spawner killed: holder, zygote and worker ended with it\n");
}

static size_t count_mounts(void) {
    size_t count = 0;
    char line[4096];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        count++;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

int main(int argc, char **argv) {
    test_setup setup;
    test_begin(&setup, argc, argv);
    size_t mounts = count_mounts();
    check_read_back(&setup, "compute", 0);
    check_read_back(&setup, "standard", 1);
    check_compute_denies(&setup);
    check_violations(&setup);
    check_abort(&setup);
    check_refusals(&setup);
    check_holder_kill(&setup);
    check_spawner_kill(&setup);
    CHECK(count_mounts() == mounts, "mounts on the host: %zu, before: %zu", count_mounts(), mounts);
    printf("mounts: the host's are as before\n");
    wy_policy_free(&setup.policy);
    return 0;
}
