/* The mount tree and the namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

static long mount_new(void) {
    return mount("none", "/tmp", "tmpfs", 0, "");
}

static long remount_writable(void) {
    return mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL);
}

static long bind_host(void) {
    return mount("/proc/1/root", "/tmp", NULL, MS_BIND, NULL);
}

static long unmount(void) {
    return umount2("/tmp", MNT_DETACH);
}

static long pivot(void) {
    return syscall(SYS_pivot_root, ".", ".");
}

/* The classic: a directory kept open, chroot below it, then up. */
static long chroot_and_up(void) {
    int kept = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return chroot("/tmp") != 0 || fchdir(kept) != 0 ? -1 : ESCAPE_WENT;
}

static long new_filesystem(void) {
    return syscall(SYS_fsopen, "tmpfs", 0);
}

static long tree_copy(void) {
    return syscall(SYS_open_tree, AT_FDCWD, "/", 1);
}

static long tree_move(void) {
    return syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/usr", 0);
}

static long tree_attributes(void) {
    return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0);
}

static long by_handle(void) {
    struct {
        unsigned bytes;
        int type;
        unsigned char handle[8];
    } root = {8, 1, {2}};
    return syscall(SYS_open_by_handle_at, AT_FDCWD, &root, O_RDONLY);
}

static long name_handle(void) {
    return syscall(SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0);
}

static long unshare_user(void) {
    return unshare(CLONE_NEWUSER);
}

static long unshare_mounts(void) {
    return unshare(CLONE_NEWNS);
}

static long enter_namespace(void) {
    return setns(STDIN_FILENO, 0);
}

static long clone_with(unsigned long flags) {
    long child = syscall(SYS_clone, flags | 17 /* SIGCHLD */, NULL, NULL, NULL, 0);
    if (child == 0) {
        _exit(0);
    }
    if (child > 0) {
        (void)waitpid((pid_t)child, NULL, 0);
    }
    return child < 0 ? -1 : ESCAPE_WENT;
}

static long clone_user(void) {
    return clone_with(CLONE_NEWUSER);
}

static long clone_network(void) {
    return clone_with(CLONE_NEWNET);
}

static long clone_time(void) {
    return clone_with(0x80 /* CLONE_NEWTIME */);
}

static long clone3_user(void) {
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = 17};
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        _exit(0);
    }
    return child < 0 ? -1 : ESCAPE_WENT;
}

const escape_case escape_mounts[] = {
    {"mount_new", mount_new}, {"remount_writable", remount_writable}, {"bind_host", bind_host}, {"unmount", unmount},
    {"pivot_root", pivot}, {"chroot_and_up", chroot_and_up}, {"fsopen", new_filesystem}, {"open_tree", tree_copy},
    {"move_mount", tree_move}, {"mount_setattr", tree_attributes}, {"open_by_handle_at", by_handle},
    {"name_to_handle_at", name_handle}, {"unshare_user", unshare_user}, {"unshare_mounts", unshare_mounts},
    {"setns", enter_namespace}, {"clone_user", clone_user}, {"clone_network", clone_network}, {"clone_time", clone_time},
    {"clone3_user", clone3_user}, {NULL, NULL},
};
