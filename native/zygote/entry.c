#include "zygote/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "checkpoint/steady.h"
#include "sandbox/sandbox.h"
#include "spawner/protocol.h"
#include "zygote/config.h"

#define HIGH_FD 64 /* above every fixed number: where descriptors wait to be put in their places */

static wy_status entry_fail(wy_error *error, const char *where, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, where, "%s: %s", what, strerror(cause));
}

/* exec clears capabilities of a uid other than 0 unless they are ambient. SETPCAP lets the zygote drop its bounding set
 * and lock its securebits; it gives it up right after. */
static int keep_capabilities_over_exec(int keep_net_admin, int keep_dac_override) {
    const uint32_t kept = (1u << CAP_SYS_ADMIN) | (1u << CAP_SETPCAP) | (keep_net_admin ? 1u << CAP_NET_ADMIN : 0) |
                          (keep_dac_override ? 1u << CAP_DAC_OVERRIDE : 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = data[0].inheritable = kept;
    if (syscall(SYS_capset, &header, data) != 0) {
        return -1;
    }
    for (unsigned long capability = 0; capability < 32; capability++) {
        if ((kept >> capability & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Descriptor i of the zygote is a copy of from[i]; a negative one is closed there. */
static int place_descriptors(const wy_launch *launch, int control, int config, int *binary_out) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int python = launch->image_kind == WY_IMAGE_PYTHON ? launch->python_fd : -1;
    const int from[] = {null, null, null, control, config, launch->source_fd, python};
    enum { COUNT = sizeof from / sizeof from[0] };
    int high[COUNT];
    for (int i = 0; i < COUNT; i++) {
        high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (high[i] < 0 && from[i] >= 0) {
            return -1;
        }
    }
    *binary_out = fcntl(launch->zygote_binary_fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (null < 0 || *binary_out < 0) {
        return -1;
    }
    for (int i = 0; i < COUNT; i++) {
        if (high[i] >= 0 ? dup2(high[i], i) < 0 : (close(i), 0)) {
            return -1;
        }
    }
    return (int)syscall(SYS_close_range, COUNT, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
}

/* In the zygote-to-be. Only returns on failure. */
static void execute(const wy_launch *launch, int control, int config, wy_error *error) {
    char title[96];
    /* Stands on the stack: equal in all zygotes of a migratable image, whatever each is called. */
    (void)snprintf(title, sizeof title, launch->migratable ? "wayang-zygote" : "wayang-zygote: %.64s", launch->name == NULL ? "" : launch->name);
    char *arguments[] = {title, NULL};
    char *environment[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"}, (char[]){"HOME=/tmp"},
                           (char[]){"LANG=C.UTF-8"}, launch->migratable ? (char[]){WY_STEADY_TUNABLES} : NULL, NULL};
    /* A host's core handler would run outside, fed by foreign code. */
    const struct rlimit no_core = {0, 0};
    int binary = -1;
    wy_reset_signals();
    if (setsid() < 0 || chdir("/") != 0) {
        (void)entry_fail(error, "zygote", "setsid");
        return;
    }
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (setresgid(WY_SANDBOX_UID, WY_SANDBOX_UID, WY_SANDBOX_UID) != 0 ||
        setresuid(WY_SANDBOX_UID, WY_SANDBOX_UID, WY_SANDBOX_UID) != 0) {
        (void)entry_fail(error, "zygote", "setresuid");
        return;
    }
    if (keep_capabilities_over_exec(wy_network_is_own(launch->profile->network), launch->profile->overlay) != 0) {
        (void)entry_fail(error, "zygote", "cannot keep CAP_SYS_ADMIN of its own user namespace");
        return;
    }
    if (place_descriptors(launch, control, config, &binary) != 0) {
        (void)entry_fail(error, "zygote", "cannot place descriptors");
        return;
    }
    if (launch->migratable && wy_steady_prepare() != 0) {
        (void)entry_fail(error, "zygote", "cannot be made migratable");
        return;
    }
    (void)syscall(SYS_execveat, binary, "", arguments, environment, 0x1000 /* AT_EMPTY_PATH */);
    (void)entry_fail(error, "zygote", "cannot execute wayang-zygote (readable by others? libraries in the profile?)");
}

/* Failures after the clone are told as the zygote itself would tell them. */
static _Noreturn void become_zygote(const wy_launch *launch, int control, int config) {
    struct {
        wy_zygote_header header;
        wy_error error;
    } message;
    memset(&message, 0, sizeof message);
    int told = fcntl(control, F_DUPFD_CLOEXEC, HIGH_FD);
    execute(launch, control, config, &message.error);
    message.header = (wy_zygote_header){.type = ZY_FAILED, .length = sizeof message};
    (void)send(told, &message, sizeof message, MSG_NOSIGNAL);
    _exit(127);
}

static wy_status enter_holder(const wy_launch *launch, int holder_pidfd, wy_error *error) {
    /* Here, where root may still do it: inside the namespace setgroups is denied. */
    if (launch->as_root && setgroups(0, NULL) != 0) {
        return entry_fail(error, "helper", "setgroups");
    }
    int network = launch->profile->network == WY_NETWORK_HOST ? 0 : CLONE_NEWNET;
    if (setns(holder_pidfd, network | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                                CLONE_NEWCGROUP) != 0) {
        return entry_fail(error, "helper", "cannot enter the holder's namespaces");
    }
    return WY_OK;
}

static void send_birth(int sync, const wy_zygote_birth *birth, int pidfd) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } ancillary;
    memset(&ancillary, 0, sizeof ancillary);
    struct iovec part = {(void *)(uintptr_t)birth, sizeof *birth};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (pidfd >= 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = sizeof ancillary.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
    }
    (void)sendmsg(sync, &message, MSG_NOSIGNAL);
}

_Noreturn void wy_entry_run(const wy_launch *launch, int holder_pidfd, int sync, int control, int config) {
    wy_zygote_birth birth;
    memset(&birth, 0, sizeof birth);
    int pidfd = -1;
    wy_status status = enter_holder(launch, holder_pidfd, &birth.error);
    if (status == WY_OK) {
        pid_t pid = wy_clone(CLONE_PARENT | CLONE_PIDFD, 0, &pidfd);
        if (pid == 0) {
            become_zygote(launch, control, config);
        }
        birth.pid = (int32_t)pid;
        if (pid < 0) {
            pidfd = -1;
            (void)entry_fail(&birth.error, "helper", "cannot clone the zygote");
        }
    }
    send_birth(sync, &birth, pidfd);
    _exit(0);
}
