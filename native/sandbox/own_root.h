/* Judging a directory of the host that a profile names as its workers' root. */
#ifndef WAYANG_SANDBOX_OWN_ROOT_H
#define WAYANG_SANDBOX_OWN_ROOT_H

#include <stddef.h>

/* Takes an absolute path, in its shortest form, of which no part is a symlink; every directory on the way belongs to root
 * or the caller and is closed to other writers (or sticky, such as /tmp); below it lie the directories proc, dev and
 * tmp. As root the workers' own user must be able to get there. 0, or -1 with a sentence in `why`. */
int wy_own_root_check(const char *path, char *why, size_t capacity);

#endif
