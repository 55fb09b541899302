/* Files of the runtime's own: who has them, and who may read or write them. A name is looked at, not where a link leads. */
#include "probe/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *kind_of(mode_t mode) {
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISSOCK(mode) ? "socket" : S_ISLNK(mode) ? "link" : "other";
}

void wy_probe_own(const char *path, char *value, size_t capacity, int *there) {
    struct stat facts;
    *there = lstat(path, &facts) == 0;
    if (*there) {
        (void)snprintf(value, capacity, "%u %u %04o %s", (unsigned)facts.st_uid, (unsigned)facts.st_gid, (unsigned)(facts.st_mode & 07777),
                       kind_of(facts.st_mode));
    } else {
        (void)snprintf(value, capacity, "%s", errno == ENOENT || errno == ENOTDIR ? "absent" : strerror(errno));
    }
}
