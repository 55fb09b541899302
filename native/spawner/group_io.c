/* Rates of the disks' I/O: io.max of version 2, blkio.throttle.* of version 1.
 *
 * The rules stand on every disk of the host, as what a task reads may lie on any, and not on the loop device of its writable space: that one
 * works with direct I/O (space_image.c), and the kernel charges what it passes on to the group whose request it was. So one rule a disk
 * holds for both. What the kernel writes back by itself is charged in version 2 to whoever made it dirty, in version 1 to nobody: there the
 * rates hold for reads, direct and synchronous writes and fsync.
 *
 * A request that waits for its turn cannot be interrupted: whoever kills a task lifts its rates first. Groups with rates are never reused, as the
 * kernel lets a group pay later for what it had before a change. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawner/group.h"

#define DISKS_MOST 64
#define DEVICE_BYTES 24

typedef struct disks {
    char device[DISKS_MOST][DEVICE_BYTES]; /* MAJOR:MINOR */
    int count;
} disks;

static const char *const throttles[WY_IO_FILES] = {"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
                                                   "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};

static bool read_line(int dir_fd, const char *disk, const char *file, char *line, size_t line_bytes) {
    char path[300];
    int written = snprintf(path, sizeof path, "%s/%s", disk, file);
    int fd = written > 0 && (size_t)written < sizeof path ? openat(dir_fd, path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd >= 0 ? read(fd, line, line_bytes - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    line[got > 0 ? got : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    return got > 0;
}

/* What passes on to another disk or has no bytes behind it is none. */
static bool is_disk(int dir_fd, const char *name) {
    static const char *const others[] = {"loop", "ram", "zram"};
    char size[DEVICE_BYTES];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strncmp(name, others[i], strlen(others[i])) == 0) {
            return false;
        }
    }
    return name[0] != '.' && read_line(dir_fd, name, "size", size, sizeof size) && strcmp(size, "0") != 0;
}

/* As they are now: disks come and go. */
static void list_disks(disks *out) {
    out->count = 0;
    DIR *dir = opendir("/sys/block");
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL && out->count < DISKS_MOST; entry = readdir(dir)) {
        if (is_disk(dirfd(dir), entry->d_name) && read_line(dirfd(dir), entry->d_name, "dev", out->device[out->count], DEVICE_BYTES)) {
            out->count++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static int put_rule(int fd, const char *text) {
    /* One that was taken away a moment ago needs no rule. */
    return pwrite(fd, text, strlen(text), 0) < 0 && errno != ENODEV && errno != ENXIO ? -1 : 0;
}

static int put_old(const int fds[WY_IO_FILES], const char *device, const wy_io_rates *rates, bool zeros) {
    const uint64_t values[WY_IO_FILES] = {rates->read_bytes, rates->write_bytes, rates->read_ops, rates->write_ops};
    char text[64];
    for (int i = 0; i < WY_IO_FILES; i++) {
        snprintf(text, sizeof text, "%s %llu", device, (unsigned long long)values[i]);
        if ((values[i] != 0 || zeros) && put_rule(fds[i], text) != 0) {
            return -1;
        }
    }
    return 0;
}

static int put_unified(int fd, const char *device, const wy_io_rates *rates) {
    static const char *const keys[WY_IO_FILES] = {"rbps", "wbps", "riops", "wiops"};
    const uint64_t values[WY_IO_FILES] = {rates->read_bytes, rates->write_bytes, rates->read_ops, rates->write_ops};
    char text[160];
    int length = snprintf(text, sizeof text, "%s", device);
    for (int i = 0; i < WY_IO_FILES; i++) {
        length += values[i] == 0 ? snprintf(text + length, sizeof text - (size_t)length, " %s=max", keys[i])
                                 : snprintf(text + length, sizeof text - (size_t)length, " %s=%llu", keys[i], (unsigned long long)values[i]);
    }
    return put_rule(fd, text);
}

static int put_all(const int fds[WY_IO_FILES], bool unified, const wy_io_rates *rates, bool zeros) {
    disks all;
    list_disks(&all);
    int result = 0;
    for (int i = 0; i < all.count && (result == 0 || zeros); i++) {
        result = unified ? put_unified(fds[0], all.device[i], rates) : put_old(fds, all.device[i], rates, zeros);
    }
    return result;
}

/* The group's files, all of them or none. */
static bool open_rules(int group_fd, bool unified, int fds[WY_IO_FILES]) {
    int wanted = unified ? 1 : WY_IO_FILES, have = 0;
    for (int i = 0; i < WY_IO_FILES; i++) {
        fds[i] = i < wanted ? openat(group_fd, unified ? "io.max" : throttles[i], O_WRONLY | O_CLOEXEC) : -1;
        have += fds[i] >= 0;
    }
    for (int i = 0; i < WY_IO_FILES && have < wanted; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
    return have == wanted;
}

bool wy_io_usable(const wy_cgroups *groups) {
    const int c = WY_CONTROLLER_IO;
    int fds[WY_IO_FILES];
    disks all;
    list_disks(&all);
    if (groups->base_fd[c] < 0 || all.count == 0 || !open_rules(groups->base_fd[c], groups->unified[c], fds)) {
        return false;
    }
    for (int i = 0; i < WY_IO_FILES; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return true;
}

int wy_group_limit_io(const wy_cgroups *groups, wy_group *group, const wy_io_rates *rates) {
    const int c = WY_CONTROLLER_IO;
    char name[16];
    snprintf(name, sizeof name, "g%u", group->number);
    int group_fd = openat(wy_group_dir(groups, c, group), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool open = group_fd >= 0 && open_rules(group_fd, groups->unified[c], group->io_fd);
    int failure = errno;
    if (group_fd >= 0) {
        close(group_fd);
    }
    errno = failure;
    return open ? put_all(group->io_fd, groups->unified[c], rates, false) : -1;
}

void wy_group_lift_io(wy_group *group) {
    static const wy_io_rates none;
    if (group->io_fd[0] >= 0) {
        (void)put_all(group->io_fd, group->io_fd[1] < 0, &none, true);
    }
}

void wy_io_lift_below(int instance_fd) {
    static const wy_io_rates none;
    int copy = openat(instance_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
        int fds[WY_IO_FILES];
        int one = entry->d_type == DT_DIR && entry->d_name[0] == 'g' ? openat(copy, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        bool unified = one >= 0 && faccessat(one, "io.max", F_OK, 0) == 0;
        if (one >= 0 && open_rules(one, unified, fds)) {
            (void)put_all(fds, unified, &none, true);
            for (int i = 0; i < WY_IO_FILES; i++) {
                if (fds[i] >= 0) {
                    close(fds[i]);
                }
            }
        }
        if (one >= 0) {
            close(one);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (copy >= 0) {
        close(copy);
    }
}
