/* The configuration: a sealed memory file that whoever started us made. It is opened by way of /proc, so that it need not be
 * inherited, and kept, so that each daemon gets it; what it says is the daemon's business. */
#include "keeper/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

wy_status wy_configuration_open(pid_t owner, int number, int *out, wy_error *error) {
    char path[64];
    struct stat facts;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)owner, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "configuration", "%s cannot be opened", path);
    }
    int wanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int seals = fcntl(fd, F_GET_SEALS); /* only memory files have seals: anything else is EINVAL */
    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &facts) != 0 || facts.st_size <= 0 ||
        facts.st_size > WY_CONFIGURATION_MAX_BYTES) {
        close(fd);
        return wy_fail(error, WY_INVALID, 0, "configuration", "%s is no sealed memory file of at most %lld bytes", path,
                       (long long)WY_CONFIGURATION_MAX_BYTES);
    }
    *out = fd;
    return WY_OK;
}
