#include "sandbox/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int close_keeping_errno(int fd) {
    int kept = errno;
    (void)close(fd);
    errno = kept;
    return -1;
}

int wy_mount_make(const char *type, const char *const *options, uint64_t attributes) {
    int context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0) {
        return -1;
    }
    for (; options != NULL && options[0] != NULL; options += 2) {
        int is_flag = options[1][0] == '\0';
        if (fsconfig(context, is_flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, options[0], is_flag ? NULL : options[1], 0) != 0) {
            return close_keeping_errno(context);
        }
    }
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) {
        return close_keeping_errno(context);
    }
    int mounted = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
    if (mounted < 0) {
        return close_keeping_errno(context);
    }
    (void)close(context);
    return mounted;
}

unsigned wy_mount_inodes(uint64_t bytes) {
    uint64_t inodes = bytes / WY_BYTES_PER_INODE;
    return inodes < 1024 ? 1024 : inodes > 65536 ? 65536 : (unsigned)inodes;
}

int wy_mount_make_space(uint64_t bytes, const char *mode, uint64_t attributes) {
    char size[24], inodes[12];
    const char *const options[] = {"size", size, "nr_inodes", inodes, "mode", mode, NULL};
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
    (void)snprintf(inodes, sizeof inodes, "%u", wy_mount_inodes(bytes));
    return wy_mount_make("tmpfs", options, attributes);
}

static int copy_tree(const char *path, uint64_t attributes, unsigned recursive) {
    /* openat2 first: open_tree would follow a symlink in the middle of the path. */
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int found = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (found < 0) {
        return -1;
    }
    int copy = open_tree(found, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
    (void)close_keeping_errno(found);
    if (copy >= 0 && wy_mount_restrict(copy, attributes, recursive != 0) != 0) {
        return close_keeping_errno(copy);
    }
    return copy;
}

int wy_mount_copy(const char *path, uint64_t attributes) {
    return copy_tree(path, attributes, AT_RECURSIVE);
}

int wy_mount_copy_alone(const char *path, uint64_t attributes) {
    return copy_tree(path, attributes, 0);
}

int wy_mount_attach(int mount, int directory, const char *path) {
    return move_mount(mount, "", directory, path, MOVE_MOUNT_F_EMPTY_PATH);
}

int wy_mount_restrict(int mount, uint64_t attributes, int recursive) {
    struct mount_attr wanted = {.attr_set = attributes};
    return mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &wanted, sizeof wanted);
}

int wy_mount_pivot_here(void) {
    /* The old root ends up over the new one, at ".": from there it is detached, and with it every host path. */
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) {
        return -1;
    }
    return chdir("/");
}
