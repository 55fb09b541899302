/* Small verbs over the mount API, without paths of the host in the way: everything goes through descriptors. */
#ifndef WAYANG_SANDBOX_MOUNTS_H
#define WAYANG_SANDBOX_MOUNTS_H

#include <stdint.h>

/* A new, detached file system; `options` are key, value pairs ended by NULL ("": the key is a flag). Returns its descriptor, or -1 (errno). */
int wy_mount_make(const char *type, const char *const *options, uint64_t attributes);

/* A detached recursive copy of the mount at an absolute host path that holds no symlink, with attributes set on all of
 * it. Returns its descriptor, or -1 (errno). */
int wy_mount_copy(const char *path, uint64_t attributes);

/* The same of one mount alone, without what is mounted below it. In a user namespace of its own the kernel refuses (EINVAL)
 * where something is: it would show what lies under it. */
int wy_mount_copy_alone(const char *path, uint64_t attributes);

/* Attaches `mount` at `path` below `directory`. 0, or -1 (errno). */
int wy_mount_attach(int mount, int directory, const char *path);

/* How many files a worker's space of so many bytes has room for: one for each 16 KiB, as large disks have it, at least 1,024 and at most 65,536. Each costs the
 * kernel a kilobyte that the worker's memory is charged for, and, when it is taken away, work that nothing interrupts: tens of thousands at once hold up
 * whoever wakes on that processor for milliseconds. */
#define WY_BYTES_PER_INODE 16384u
unsigned wy_mount_inodes(uint64_t bytes);

/* A new, detached tmpfs for such a space. Returns its descriptor, or -1 (errno). */
int wy_mount_make_space(uint64_t bytes, const char *mode, uint64_t attributes);

int wy_mount_restrict(int mount, uint64_t attributes, int recursive);

/* Makes the current directory the root and detaches the old root. 0, or -1 (errno). */
int wy_mount_pivot_here(void);

#endif
