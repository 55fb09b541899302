/* The one ordered list. Joining the memory group, the namespaces, the root tree and the bounding set come before it:
 * the spawner attaches, clone3 unshares, the holder builds and the zygote drops, each once per image where once is
 * enough. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/layout.h"
#include "sandbox/mounts.h"
#include "sandbox/network.h"
#include "sandbox/overlay.h"
#include "sandbox/processes.h"

static wy_status step_fail(wy_error *error, const char *step, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, step, "%s: %s", what, strerror(cause));
}

static int set_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    for (int i = 0; i < 2; i++) {
        data[i].permitted = data[i].effective = (uint32_t)(kept >> (32 * i));
    }
    return (int)syscall(SYS_capset, &header, data);
}

/* A process group of its own, so that a signal to a group never crosses workers. */
static wy_status enter_session(const wy_sandbox *sandbox, wy_error *error) {
    (void)sandbox;
    return setsid() < 0 ? step_fail(error, "session", "setsid") : WY_OK;
}

/* A fresh sized /tmp over the zygote's: nothing that another worker or the image's constructors left is seen. */
static wy_status mount_tmp(const wy_sandbox *sandbox, wy_error *error) {
    if (!sandbox->files) {
        return WY_OK;
    }
    if (sandbox->overlay) {
        wy_status status = wy_overlay_enter(sandbox->space, sandbox->tmpfs_bytes, error);
        return status == WY_OK && chdir("/tmp") != 0 ? step_fail(error, "tmp", "chdir") : status;
    }
    if (sandbox->space >= 0) {
        return wy_mount_attach(sandbox->space, AT_FDCWD, "/tmp") != 0 || chdir("/tmp") != 0 ? step_fail(error, "tmp", "cannot attach its space at /tmp") : WY_OK;
    }
    char options[96];
    (void)snprintf(options, sizeof options, "size=%llu,nr_inodes=%u,mode=1777", (unsigned long long)sandbox->tmpfs_bytes,
                   wy_mount_inodes(sandbox->tmpfs_bytes));
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
        return step_fail(error, "tmp", "cannot mount /tmp");
    }
    return chdir("/tmp") != 0 ? step_fail(error, "tmp", "chdir") : WY_OK;
}

/* /proc of the worker's own pid namespace: it shows the worker's processes and nobody else's. */
static wy_status mount_proc(const wy_sandbox *sandbox, wy_error *error) {
    if (!sandbox->files || sandbox->overlay) { /* the overlay's step mounted it, while the one before it could be seen */
        return WY_OK;
    }
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0
               ? step_fail(error, "proc", "cannot mount /proc (does the host hide parts of its own?)")
               : WY_OK;
}

static wy_status mount_secrets(const wy_sandbox *sandbox, wy_error *error) {
    if (sandbox->stage != NULL && sandbox->overlay) { /* an image has no place for them; if these fail, the mount says so */
        (void)mkdir("/run", 0755);
        (void)mkdir("/run/secrets", 0700);
    }
    return sandbox->stage != NULL ? wy_stage_secrets(sandbox->stage, error) : WY_OK;
}

static wy_status set_hostname(const wy_sandbox *sandbox, wy_error *error) {
    (void)sandbox;
    return sethostname("wayang", 6) != 0 ? step_fail(error, "hostname", "sethostname") : WY_OK;
}

/* The worker's own namespace is empty until here; the host's is left as it is. */
static wy_status set_up_network(const wy_sandbox *sandbox, wy_error *error) {
    if (!wy_network_is_own(sandbox->network)) {
        return WY_OK;
    }
    wy_status status = wy_network_bring_up(error);
    return status == WY_OK && sandbox->network_channel >= 0 ? wy_network_offer_proxy(sandbox->network_channel, error) : status;
}

static wy_status set_rlimits(const wy_sandbox *sandbox, wy_error *error) {
    const struct {
        __rlimit_resource_t resource;
        rlim_t limit;
        int wanted;
    } limits[] = {
        {RLIMIT_CORE, 0, 1},
        {RLIMIT_MEMLOCK, 0, 1}, /* locked memory would escape the group's reclaim */
        {RLIMIT_MSGQUEUE, 0, 1},
        {RLIMIT_NOFILE, sandbox->open_files, 1},
        {RLIMIT_FSIZE, sandbox->file_bytes, 1},
        {RLIMIT_NPROC, sandbox->pids, sandbox->pids > 0 && !sandbox->files}, /* its filter lets it make none */
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit both = {limits[i].limit, limits[i].limit};
        if (limits[i].wanted && setrlimit(limits[i].resource, &both) != 0) {
            if (errno == EPERM) { /* the hard limit that we inherited is already lower */
                struct rlimit now;
                if (getrlimit(limits[i].resource, &now) == 0 && now.rlim_max <= limits[i].limit) {
                    continue;
                }
                errno = EPERM;
            }
            return step_fail(error, "rlimits", "setrlimit");
        }
    }
    return WY_OK;
}

static wy_status bound_processes(const wy_sandbox *sandbox, wy_error *error) {
    return sandbox->pids > 0 && sandbox->files ? wy_processes_bound(sandbox->pids, error) : WY_OK;
}

/* The zygote emptied the bounding, ambient and inheritable sets and locked the securebits; clone without NEWUSER keeps
 * them so (measured: 41 prctl calls fewer per worker). What is left to give up is CAP_SYS_ADMIN. */
static wy_status drop_capabilities(const wy_sandbox *sandbox, wy_error *error) {
    (void)sandbox;
    return set_capabilities(0) != 0 ? step_fail(error, "capabilities", "capset") : WY_OK;
}

static wy_status set_no_new_privs(const wy_sandbox *sandbox, wy_error *error) {
    (void)sandbox;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? step_fail(error, "no_new_privs", "prctl") : WY_OK;
}

/* Without files the zygote entered Landlock already, behind the empty root: workers inherit it. */
static wy_status enter_landlock(const wy_sandbox *sandbox, wy_error *error) {
    int files = sandbox->overlay ? WY_LANDLOCK_ALL : WY_LANDLOCK_FILES;
    return sandbox->files ? wy_landlock_enter(sandbox->landlock_abi, files, sandbox->network != WY_NETWORK_NONE, error) : WY_OK;
}

static wy_status close_descriptors(const wy_sandbox *sandbox, wy_error *error) {
    unsigned next = 0;
    for (uint32_t i = 0; i <= sandbox->kept_count; i++) {
        unsigned last = i < sandbox->kept_count ? (unsigned)sandbox->kept[i] : ~0u;
        if (i == sandbox->kept_count || last > next) {
            unsigned end = i == sandbox->kept_count ? ~0u : last - 1;
            if (syscall(SYS_close_range, next, end, 0) != 0) {
                return step_fail(error, "descriptors", "close_range");
            }
        }
        next = last + 1;
    }
    return WY_OK;
}

/* Last. The listener takes the lowest free number: all below WY_WORKER_FD_SECCOMP_LISTENER are taken. */
static wy_status apply_filter(const wy_sandbox *sandbox, wy_error *error) {
    long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &sandbox->filter);
    if (listener < 0) {
        return step_fail(error, "seccomp", "cannot attach the filter");
    }
    if (listener != WY_WORKER_FD_SECCOMP_LISTENER) {
        return wy_fail(error, WY_INVALID, 0, "seccomp", "the listener came at descriptor %ld", listener);
    }
    return WY_OK;
}

const wy_sandbox_step wy_sandbox_steps[] = {
    {"session", enter_session},         {"tmp", mount_tmp},           {"proc", mount_proc},
    {"secrets", mount_secrets},
    {"hostname", set_hostname},         {"network", set_up_network},  {"rlimits", set_rlimits},
    {"processes", bound_processes},     {"capabilities", drop_capabilities},
    {"no_new_privs", set_no_new_privs}, {"landlock", enter_landlock}, {"descriptors", close_descriptors},
    {"seccomp", apply_filter},
};
const size_t wy_sandbox_step_count = sizeof wy_sandbox_steps / sizeof wy_sandbox_steps[0];

wy_status wy_sandbox_enter(const wy_sandbox *sandbox, wy_error *error) {
    for (size_t i = 0; i < wy_sandbox_step_count; i++) {
        wy_status status = wy_sandbox_steps[i].run(sandbox, error);
        if (status != WY_OK) {
            return status;
        }
    }
    return WY_OK;
}

wy_status wy_zygote_confine(int keep_net_admin, int keep_dac_override, wy_error *error) {
    uint64_t kept = UINT64_C(1) << CAP_SYS_ADMIN;
    kept |= keep_net_admin ? UINT64_C(1) << CAP_NET_ADMIN : 0;
    kept |= keep_dac_override ? UINT64_C(1) << CAP_DAC_OVERRIDE : 0;
    wy_status status = wy_capabilities_lock(error);
    if (status != WY_OK) {
        return status;
    }
    if (set_capabilities(kept) != 0) {
        return step_fail(error, "capabilities", "capset");
    }
    return set_no_new_privs(NULL, error);
}

wy_status wy_filter_apply(const struct sock_fprog *filter, wy_error *error) {
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) != 0) {
        return step_fail(error, "zygote filter", "cannot attach");
    }
    return WY_OK;
}
