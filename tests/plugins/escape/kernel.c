/* Kernel surfaces that no ordinary program needs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

#define CALLS(name, ...)                                                                                               \
    static long name(void) {                                                                                           \
        return syscall(__VA_ARGS__) < 0 ? -1 : ESCAPE_WENT;                                                            \
    }

CALLS(trace_me, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
CALLS(trace_init, SYS_ptrace, PTRACE_SEIZE, 1, 0, 0)
CALLS(read_memory, SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)
CALLS(write_memory, SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0)
CALLS(steal_descriptor, SYS_pidfd_getfd, 0, 0, 0)
CALLS(compare_processes, SYS_kcmp, 1, 1, 0, 0, 0)
CALLS(advise_other, SYS_process_madvise, 0, NULL, 0, 0, 0)
CALLS(key_read, SYS_keyctl, 0, -3, 1)
CALLS(key_add, SYS_add_key, "user", "escape", "x", 1, -3)
CALLS(key_request, SYS_request_key, "user", "escape", NULL, -3)
CALLS(userfault, SYS_userfaultfd, O_CLOEXEC)
CALLS(uring_setup, SYS_io_uring_setup, 1, NULL)
CALLS(uring_enter, SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0)
CALLS(uring_register, SYS_io_uring_register, 0, 0, NULL, 0)
CALLS(kexec, SYS_kexec_load, 0, 0, NULL, 0)
CALLS(kexec_file, SYS_kexec_file_load, 0, 0, 0, NULL, 0)
CALLS(module_load, SYS_init_module, "x", 1, "")
CALLS(module_file, SYS_finit_module, 0, "", 0)
CALLS(module_remove, SYS_delete_module, "loop", O_NONBLOCK)
CALLS(power_off, SYS_reboot, 0, 0, 0, NULL) /* wrong magic: harmless where it is let through */
CALLS(swap_on, SYS_swapon, "/tmp", 0)
CALLS(swap_off, SYS_swapoff, "/tmp")
CALLS(host_name, SYS_sethostname, "escape", 6)
CALLS(domain_name, SYS_setdomainname, "escape", 6)
CALLS(quota, SYS_quotactl, 0, "/dev/vda", 0, NULL)
CALLS(accounting, SYS_acct, "/tmp/escape-acct")
CALLS(hang_up, SYS_vhangup)
CALLS(kernel_log, SYS_syslog, 10, NULL, 0)
CALLS(watch_all, SYS_fanotify_init, 0, O_RDONLY)
CALLS(move_pages_of, SYS_move_pages, 1, 0, NULL, NULL, NULL, 0)
CALLS(migrate_pages_of, SYS_migrate_pages, 1, 0, NULL, NULL)
CALLS(set_day, SYS_settimeofday, NULL, NULL)

static long set_clock(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return syscall(SYS_clock_settime, CLOCK_REALTIME, &now) < 0 ? -1 : ESCAPE_WENT;
}

static long adjust_clock(void) {
    struct timex nothing = {0};
    return syscall(SYS_clock_adjtime, CLOCK_REALTIME, &nothing) < 0 ? -1 : ESCAPE_WENT;
}

static long load_bpf(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes) < 0 ? -1 : ESCAPE_WENT;
}

static long count_events(void) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK};
    return syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0) < 0 ? -1 : ESCAPE_WENT;
}

#if defined(__x86_64__)
CALLS(io_privilege, SYS_iopl, 3)
CALLS(io_ports, SYS_ioperm, 0x80, 1, 1)
CALLS(local_table, SYS_modify_ldt, 0, NULL, 0)
CALLS(x32_call, 0x40000000 | SYS_ptrace, 0, 0, 0, 0)

/* The other entry: mkdir's number (39) there is getpid's here. A filter that looks at numbers alone is deceived. */
static long foreign_entry(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid of i386 */) : "memory");
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return ESCAPE_WENT;
}
#endif

const escape_case escape_kernel[] = {
    {"ptrace_me", trace_me}, {"ptrace_init", trace_init}, {"process_vm_readv", read_memory}, {"process_vm_writev", write_memory},
    {"pidfd_getfd", steal_descriptor}, {"kcmp", compare_processes}, {"process_madvise", advise_other}, {"keyctl", key_read},
    {"add_key", key_add}, {"request_key", key_request}, {"userfaultfd", userfault}, {"io_uring_setup", uring_setup},
    {"io_uring_enter", uring_enter}, {"io_uring_register", uring_register}, {"kexec_load", kexec}, {"kexec_file_load", kexec_file},
    {"init_module", module_load}, {"finit_module", module_file}, {"delete_module", module_remove}, {"reboot", power_off},
    {"swapon", swap_on}, {"swapoff", swap_off}, {"sethostname", host_name}, {"setdomainname", domain_name}, {"quotactl", quota},
    {"acct", accounting}, {"vhangup", hang_up}, {"syslog", kernel_log}, {"fanotify_init", watch_all}, {"move_pages", move_pages_of},
    {"migrate_pages", migrate_pages_of}, {"settimeofday", set_day}, {"clock_settime", set_clock}, {"clock_adjtime", adjust_clock},
    {"bpf", load_bpf}, {"perf_event_open", count_events},
#if defined(__x86_64__)
    {"iopl", io_privilege}, {"ioperm", io_ports}, {"modify_ldt", local_table}, {"x32_call", x32_call}, {"foreign_entry", foreign_entry},
#endif
    {NULL, NULL},
};
