/* What the spawner does for an image before its holder exists: only it may, with privilege, show a directory under another
 * owner; and it finds out whether this host mounts overlays for users. */
#ifndef WAYANG_ZYGOTE_LEND_H
#define WAYANG_ZYGOTE_LEND_H

#include <sys/types.h>

/* As root: a detached copy of the mount at `path` alone, read-only, nosuid, nodev and private, in which what root owns belongs to
 * `uid` (an id-mapped mount; files of others belong to nobody). Without it a worker, who is not root, could change nothing of a
 * root's tree, overlay or not. Returns its descriptor, or -1 (errno: EINVAL where the file system cannot do that). */
int wy_mount_lend(const char *path, uid_t uid);

/* 0 where a user namespace of this host can write a directory by way of an overlay (tried in a child), else the errno. */
int wy_overlay_try(void);

#endif
