/* The file system: ways around the root, to devices, and into other processes' files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

#define OPENS(name, path, flags)                                                                                       \
    static long name(void) {                                                                                           \
        return escape_open(path, flags);                                                                               \
    }

OPENS(proc_init_root, "/proc/1/root/etc/shadow", O_RDONLY)
OPENS(proc_init_cwd, "/proc/1/cwd/../../../etc/shadow", O_RDONLY)
OPENS(proc_init_memory, "/proc/1/mem", O_RDWR)
OPENS(core_pattern, "/proc/sys/kernel/core_pattern", O_WRONLY)
OPENS(modprobe_path, "/proc/sys/kernel/modprobe", O_WRONLY)
OPENS(sysrq, "/proc/sysrq-trigger", O_WRONLY)
OPENS(proc_kcore, "/proc/kcore", O_RDONLY)
OPENS(proc_kmsg, "/proc/kmsg", O_RDONLY)
OPENS(proc_keys_write, "/proc/sys/kernel/keys/maxkeys", O_WRONLY)
OPENS(drop_caches, "/proc/sys/vm/drop_caches", O_WRONLY)
OPENS(uevent_helper, "/sys/kernel/uevent_helper", O_WRONLY)
OPENS(sys_power, "/sys/power/state", O_WRONLY)
OPENS(debugfs, "/sys/kernel/debug/tracing/trace_pipe", O_RDONLY)
OPENS(tracefs, "/sys/kernel/tracing/trace_marker", O_WRONLY)
OPENS(cgroup_release_agent, "/sys/fs/cgroup/memory/release_agent", O_WRONLY)
OPENS(cgroup_procs, "/sys/fs/cgroup/cgroup.procs", O_WRONLY)
OPENS(dev_mem, "/dev/mem", O_RDONLY)
OPENS(dev_kmsg, "/dev/kmsg", O_WRONLY)
OPENS(dev_port, "/dev/port", O_RDWR)
OPENS(dev_disk, "/dev/vda", O_RDONLY)
OPENS(dev_tty, "/dev/console", O_WRONLY)
OPENS(host_shadow, "/etc/shadow", O_RDONLY)
OPENS(host_run, "/run/wayang/wayang.sock", O_RDONLY)
OPENS(write_shown, "/usr/bin/env", O_WRONLY)
OPENS(own_program, "/proc/self/exe", O_WRONLY) /* how CVE-2019-5736 left runc: a plugin's is the zygote's */
OPENS(init_program, "/proc/1/exe", O_WRONLY)
OPENS(uid_map, "/proc/self/uid_map", O_WRONLY)

static long create(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : ESCAPE_WENT;
}

static long create_in_root(void) {
    return create("/escape");
}

static long create_in_dev(void) {
    return create("/dev/escape");
}

/* The first process has the constants of a zygote for its environment, and nothing of the operator's: it may hold secrets. */
static long proc_init_environ(void) {
    static const char *const known[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=", "LC_", "MALLOC_", "PYTHON", "OPENBLAS_", "OMP_", "MKL_"};
    char text[4096];
    int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0) {
        return -1;
    }
    text[length] = 0;
    for (const char *one = text; one < text + length; one += strlen(one) + 1) {
        int found = 0;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found |= strncmp(one, known[i], strlen(known[i])) == 0;
        }
        if (!found) {
            return ESCAPE_WENT;
        }
    }
    return ESCAPE_CONTAINED;
}

static long oom_protection(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : write(fd, "-1000", 5) < 0 ? -1 : ESCAPE_WENT;
}

static long make_device(mode_t kind, unsigned major, unsigned minor) {
    const char *path = "/tmp/escape-device";
    (void)unlink(path);
    if (mknod(path, kind | 0600, makedev(major, minor)) != 0) {
        return -1;
    }
    return escape_open(path, O_RDONLY);
}

static long mknod_block(void) {
    return make_device(S_IFBLK, 8, 0);
}

static long mknod_memory(void) {
    return make_device(S_IFCHR, 1, 1);
}

static long dotdot(void) {
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -1 : syscall(SYS_openat, root, "../../../../../etc/shadow", O_RDONLY);
}

static long descriptors_of_init(void) {
    DIR *all = opendir("/proc/1/fd");
    if (all == NULL) {
        return -1;
    }
    long stolen = -1;
    errno = getpid() == 1 ? ENOENT : EACCES; /* our own when we are it */
    for (struct dirent *one = readdir(all); one != NULL && getpid() != 1; one = readdir(all)) {
        stolen = one->d_name[0] != '.' && openat(dirfd(all), one->d_name, O_RDWR) >= 0 ? ESCAPE_WENT : stolen;
    }
    return stolen;
}

static long inherited_descriptors(void) {
    for (int fd = escape_first_descriptor; fd < 4096; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            return ESCAPE_WENT;
        }
    }
    errno = EBADF;
    return -1;
}

static long make_file(const char *path, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    return fd < 0 ? -1 : close(fd);
}

static long chown_to_root(void) {
    return make_file("/tmp/escape-file", 0700) != 0 ? -1 : chown("/tmp/escape-file", 0, 0);
}

static long file_capability(void) {
    static const unsigned char all[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};
    return make_file("/tmp/escape-file", 0700) != 0
               ? -1
               : syscall(SYS_setxattr, "/tmp/escape-file", "security.capability", all, sizeof all, 0);
}

/* A program that the host has setuid: does it run as another user than we do? */
static long setuid_program(void) {
    char path[64], text[4096] = "";
    pid_t child = fork();
    if (child == 0) {
        int ends[2];
        if (pipe(ends) == 0) {
            (void)dup2(ends[0], 0); /* it waits for a password, for ever */
        }
        (void)execl("/usr/bin/su", "su", "root", "-c", "true", (char *)NULL);
        _exit(126);
    }
    if (child < 0) {
        return -1;
    }
    long result = -1;
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        (void)snprintf(path, sizeof path, "/proc/%d/status", (int)child);
        FILE *file = fopen(path, "re");
        size_t got = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
        text[got] = 0;
        if (file != NULL) {
            (void)fclose(file);
        }
        const char *uid = strstr(text, "\nUid:");
        unsigned real = 0, effective = 0;
        if (strstr(text, "Name:\tsu\n") != NULL && uid != NULL && sscanf(uid, "\nUid: %u %u", &real, &effective) == 2) {
            result = real != effective ? ESCAPE_WENT : -1;
            (void)kill(child, SIGKILL);
        }
    }
    errno = EPERM;
    return result;
}

static long symlink_out(void) {
    (void)unlink("/tmp/escape-link");
    return symlink("../../../../../etc/shadow", "/tmp/escape-link") != 0 ? -1 : escape_open("/tmp/escape-link", O_RDONLY);
}

static atomic_int racing;

static void swap_to(const char *target) {
    if (symlink(target, "/tmp/escape-new") == 0) {
        (void)rename("/tmp/escape-new", "/tmp/escape-race");
    }
}

static void *swap_links(void *unused) {
    (void)unused;
    while (atomic_load(&racing)) {
        swap_to("/etc/shadow");
        swap_to("/proc/1/root/etc/shadow");
    }
    return NULL;
}

/* A name that changes under its reader, 20,000 times. */
static long symlink_race(void) {
    pthread_t other;
    atomic_store(&racing, 1);
    int failure = pthread_create(&other, NULL, swap_links, NULL);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    long result = -1;
    for (int i = 0; i < 20000 && result < 0; i++) {
        result = escape_open("/tmp/escape-race", O_RDONLY);
    }
    atomic_store(&racing, 0);
    (void)pthread_join(other, NULL);
    errno = ENOENT;
    return result;
}

static long hard_link(void) {
    return link("/usr/bin/env", "/tmp/escape-hard");
}

static long rename_shown(void) {
    return rename("/usr/bin/env", "/tmp/escape-env");
}

static long truncate_shown(void) {
    return truncate("/usr/bin/env", 0);
}

static long chmod_shown(void) {
    return chmod("/usr/bin/env", 04777);
}

const escape_case escape_files[] = {
    {"proc_init_root", proc_init_root}, {"proc_init_cwd", proc_init_cwd}, {"proc_init_memory", proc_init_memory},
    {"proc_init_environ", proc_init_environ}, {"core_pattern", core_pattern}, {"modprobe_path", modprobe_path}, {"sysrq", sysrq},
    {"proc_kcore", proc_kcore}, {"proc_kmsg", proc_kmsg}, {"proc_keys_write", proc_keys_write}, {"drop_caches", drop_caches},
    {"uevent_helper", uevent_helper}, {"sys_power", sys_power}, {"debugfs", debugfs}, {"tracefs", tracefs},
    {"cgroup_release_agent", cgroup_release_agent}, {"cgroup_procs", cgroup_procs}, {"dev_mem", dev_mem}, {"dev_kmsg", dev_kmsg},
    {"dev_port", dev_port}, {"dev_disk", dev_disk}, {"dev_tty", dev_tty}, {"host_shadow", host_shadow}, {"host_run", host_run},
    {"write_shown", write_shown}, {"create_in_root", create_in_root}, {"create_in_dev", create_in_dev}, {"own_program", own_program},
    {"init_program", init_program}, {"uid_map", uid_map}, {"oom_protection", oom_protection}, {"mknod_block", mknod_block},
    {"mknod_memory", mknod_memory}, {"dotdot", dotdot}, {"descriptors_of_init", descriptors_of_init},
    {"inherited_descriptors", inherited_descriptors}, {"chown_to_root", chown_to_root}, {"file_capability", file_capability},
    {"setuid_program", setuid_program}, {"symlink_out", symlink_out}, {"symlink_race", symlink_race}, {"hard_link", hard_link},
    {"rename_shown", rename_shown}, {"truncate_shown", truncate_shown}, {"chmod_shown", chmod_shown}, {NULL, NULL},
};
