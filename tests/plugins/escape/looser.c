/* Attempts to loosen what was laid on the task: filter, capabilities, identity, limits, priorities. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

static long type_for_others(void) {
    char letter = 'x';
    return ioctl(STDIN_FILENO, 0x5412 /* TIOCSTI */, &letter);
}

/* The kernel compares 32 bits of the request; a filter that compares 64 lets this through. */
static long type_for_others_high(void) {
    char letter = 'x';
    return syscall(SYS_ioctl, STDIN_FILENO, 0x100005412UL, &letter);
}

static long console_paste(void) {
    char what = 3;
    return ioctl(STDIN_FILENO, 0x541C /* TIOCLINUX */, &what);
}

static long fixed_addresses(void) {
    return personality(ADDR_NO_RANDOMIZE) < 0 ? -1 : ESCAPE_WENT;
}

static long executable_reads(void) {
    return personality(READ_IMPLIES_EXEC) < 0 ? -1 : ESCAPE_WENT;
}

static long set_mm(void) {
    return prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0);
}

static long set_securebits(void) {
    return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static long new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static long filter_off(void) {
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0, 0, 0);
}

/* A filter of our own that allows all, and one whose listener would answer for us. */
static long filter_over(unsigned flags) {
    struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {1, allow};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0 ? -1 : ESCAPE_WENT;
}

static long filter_listener(void) {
    return filter_over(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static long ambient_capability(void) {
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
}

static long all_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0xff, sizeof data);
    return syscall(SYS_capset, &header, data);
}

static long become_root(void) {
    return setuid(0);
}

static long become_root_by_three(void) {
    return setresuid(0, 0, 0);
}

static long join_root_group(void) {
    gid_t zero = 0;
    return setgroups(1, &zero);
}

static long become_group_root(void) {
    return setgid(0);
}

static long real_time(void) {
    struct sched_param most = {.sched_priority = 99};
    return sched_setscheduler(0, SCHED_FIFO, &most);
}

static long higher_priority(void) {
    return setpriority(PRIO_PROCESS, 0, -20);
}

static long higher_io_priority(void) {
    return syscall(SYS_ioprio_set, 1, 0, 1 << 13);
}

static long raise_limit(int what, rlim_t value) {
    struct rlimit both = {value, value};
    return setrlimit(what, &both);
}

static long more_processes(void) {
    return raise_limit(RLIMIT_NOFILE, 1u << 20);
}

static long locked_memory(void) {
    return raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

static long core_files(void) {
    return raise_limit(RLIMIT_CORE, RLIM_INFINITY);
}

/* Code that no file system check saw runs under the same filter: its child's violation is told too, so here it only asks. */
static long run_from_memory(void) {
    static char copy[65536];
    int from = open("/bin/true", O_RDONLY | O_CLOEXEC), fd = (int)syscall(SYS_memfd_create, "escape", 1 /* CLOEXEC */);
    if (from < 0 || fd < 0) {
        return -1;
    }
    for (ssize_t got = read(from, copy, sizeof copy); got > 0; got = read(from, copy, sizeof copy)) {
        if (write(fd, copy, (size_t)got) != got) {
            return -1;
        }
    }
    pid_t child = fork();
    if (child == 0) {
        char *const arguments[] = {"true", NULL}, *const none[] = {NULL};
        (void)syscall(SYS_execveat, fd, "", arguments, none, 0x1000 /* AT_EMPTY_PATH */);
        _exit(126);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        return -1;
    }
    return ESCAPE_CONTAINED;
}

static long lock_memory(void) {
    static char page[4096];
    return mlock(page, sizeof page);
}

static long huge_pages(void) {
    return mmap(NULL, 2u << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == MAP_FAILED ? -1 : ESCAPE_WENT;
}

static long address_zero(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : ESCAPE_WENT;
}

const escape_case escape_looser[] = {
    {"tiocsti", type_for_others}, {"tiocsti_high_bits", type_for_others_high}, {"tioclinux", console_paste},
    {"personality_fixed", fixed_addresses}, {"personality_exec", executable_reads}, {"prctl_set_mm", set_mm},
    {"prctl_securebits", set_securebits}, {"prctl_new_privs", new_privileges}, {"prctl_seccomp_off", filter_off},
    {"seccomp_listener", filter_listener}, {"ambient_capability", ambient_capability}, {"capset_all", all_capabilities},
    {"setuid_root", become_root}, {"setresuid_root", become_root_by_three}, {"setgroups_root", join_root_group},
    {"setgid_root", become_group_root}, {"real_time", real_time}, {"nice_up", higher_priority}, {"ioprio_real_time", higher_io_priority},
    {"rlimit_files", more_processes}, {"rlimit_memlock", locked_memory}, {"rlimit_core", core_files}, {"memfd_exec", run_from_memory},
    {"mlock", lock_memory}, {"huge_pages", huge_pages}, {"address_zero", address_zero}, {NULL, NULL},
};
