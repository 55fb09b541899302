/* How a space is made: 1. a sparse file without a name  2. a file system in it  3. a loop device that clears itself
 * 4. a mount that is attached nowhere. And how its bytes go back. */
#include "spawner/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/mounts.h"

#define LOOP_ATTEMPTS 64 /* others may take the free device that we were told of */
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define SHUTDOWN_WITHOUT_FLUSH 2u

const char *wy_space_formatter(void) {
    static const char *const places[] = {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

static wy_status space_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "disk", "%s: %s", what, strerror(cause));
}

static int make_file(int directory_fd, uint64_t bytes) {
    int file = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0 && ftruncate(file, (off_t)bytes) != 0) {
        int cause = errno;
        close(file);
        errno = cause;
        return -1;
    }
    return file;
}

/* No journal: what a crash leaves is thrown away anyway. */
static _Noreturn void execute_formatter(int file, uint64_t bytes) {
    char path[32], inodes[12];
    char *arguments[] = {"mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-N", inodes, "-O", "^has_journal,^resize_inode", "-E",
                         "lazy_itable_init=1,nodiscard,root_owner=0:0", path, NULL};
    char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MKE2FS_CONFIG=/dev/null", NULL};
    int null = open("/dev/null", O_RDWR);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    (void)snprintf(inodes, sizeof inodes, "%u", wy_mount_inodes(bytes));
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || fcntl(file, F_SETFD, 0) != 0) {
        _exit(126);
    }
    (void)execve(wy_space_formatter(), arguments, environment);
    _exit(127);
}

static wy_status format(int file, uint64_t bytes, wy_error *error) {
    int state = 0;
    pid_t child = fork();
    if (child == 0) {
        execute_formatter(file, bytes);
    }
    if (child < 0 || waitpid(child, &state, 0) != child) {
        return space_fail(error, "mkfs.ext4 cannot be started");
    }
    return WIFEXITED(state) && WEXITSTATUS(state) == 0
               ? WY_OK
               : wy_fail(error, WY_SYSTEM, 0, "disk", "mkfs.ext4 ended with %s %d", WIFEXITED(state) ? "exit code" : "signal",
                         WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
}

/* Opened and tied to the file; it lets go of it when nothing has it open any more. */
static int attach_loop(int file, char *path, size_t path_bytes) {
    struct loop_config config;
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;
    memset(&config, 0, sizeof config);
    config.fd = (uint32_t)file;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO; /* one copy in memory, not two */
    for (int attempt = 0; control >= 0 && attempt < LOOP_ATTEMPTS; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            break;
        }
        (void)snprintf(path, path_bytes, "/dev/loop%d", number);
        device = open(path, O_RDWR | O_CLOEXEC);
        if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0) {
            break;
        }
        int cause = errno;
        if (device >= 0) {
            close(device);
        }
        device = -1;
        errno = cause;
        if (cause != EBUSY) {
            break;
        }
    }
    int cause = errno;
    if (control >= 0) {
        close(control);
    }
    errno = cause;
    return device;
}

/* Nothing but the task's own files is in it. */
static int mount_device(const char *path) {
    const char *const options[] = {"source", path, "noinit_itable", "", NULL};
    int mount = wy_mount_make("ext4", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    if (mount >= 0) {
        (void)unlinkat(mount, "lost+found", AT_REMOVEDIR);
    }
    return mount;
}

wy_status wy_space_make(int directory_fd, uint64_t bytes, wy_space *out, wy_error *error) {
    char device_path[32];
    int file = make_file(directory_fd, bytes);
    if (file < 0) {
        return space_fail(error, "a file cannot be made in the directory of limits.disk_directory");
    }
    wy_status status = format(file, bytes, error);
    int device = status == WY_OK ? attach_loop(file, device_path, sizeof device_path) : -1;
    if (status == WY_OK && device < 0) {
        status = space_fail(error, "no loop device");
    }
    int mount = status == WY_OK ? mount_device(device_path) : -1;
    if (status == WY_OK && mount < 0) {
        status = space_fail(error, "its file system cannot be mounted");
    }
    if (device >= 0) {
        close(device);
    }
    if (status != WY_OK) {
        close(file);
        return status;
    }
    *out = (wy_space){.bytes = bytes, .mount_fd = mount, .file_fd = file};
    return WY_OK;
}

/* First the file system: what its worker wrote last would else be written to the disk only to be thrown away. */
void wy_space_clear(int mount_fd, int file_fd) {
    uint32_t how = SHUTDOWN_WITHOUT_FLUSH;
    int root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0) {
        (void)ioctl(root, IOC_SHUTDOWN, &how);
        close(root);
    }
    close(mount_fd);
    int ignored = ftruncate(file_fd, 0); /* also where somebody still holds the mount */
    (void)ignored;
    close(file_fd);
}
