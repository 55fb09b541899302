/* The kernel counts the processes of a user in each user namespace, and compares the innermost count with the limit of who forks, each outer one with
 * the limit that its creator had (kernel/ucount.c, is_rlimit_overlimit). */
#include "sandbox/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define LOCKED_BITS                                                                                                    \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |                   \
     SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static wy_status fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "processes", "%s: %s", what, strerror(cause));
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t length = (ssize_t)strlen(text);
    int wrong = fd < 0 || write(fd, text, (size_t)length) != length;
    if (fd >= 0) {
        (void)close(fd);
    }
    return wrong ? -1 : 0;
}

wy_status wy_capabilities_lock(wy_error *error) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            return fail(error, "cannot empty the bounding set");
        }
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return fail(error, "cannot empty the ambient set");
    }
    return prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0) != 0 ? fail(error, "cannot lock the securebits") : WY_OK;
}

/* The change of credentials made it undumpable, and its maps root's: it is dumpable while it writes them. Nobody else is in its pid namespace yet. */
static wy_status enter_own_namespace(wy_error *error) {
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (unshare(CLONE_NEWUSER) != 0) {
        return errno == ENOSPC || errno == EPERM || errno == EUSERS ? WY_OK : fail(error, "cannot make a user namespace");
    }
    char map[32];
    (void)snprintf(map, sizeof map, "%u %u 1\n", WY_SANDBOX_UID, WY_SANDBOX_UID);
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 || write_text("/proc/self/setgroups", "deny") != 0 || write_text("/proc/self/uid_map", map) != 0 ||
        write_text("/proc/self/gid_map", map) != 0) {
        return fail(error, "cannot write the maps of the user namespace");
    }
    return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) != 0 ? fail(error, "dumpable") : wy_capabilities_lock(error);
}

wy_status wy_processes_bound(uint32_t most, wy_error *error) {
    wy_status status = enter_own_namespace(error);
    struct rlimit both = {most, most}, now;
    if (status != WY_OK || setrlimit(RLIMIT_NPROC, &both) == 0) {
        return status;
    }
    /* The hard limit that was inherited may be lower already. */
    int lower = errno == EPERM && getrlimit(RLIMIT_NPROC, &now) == 0 && now.rlim_max <= most;
    return lower ? WY_OK : fail(error, "setrlimit");
}
