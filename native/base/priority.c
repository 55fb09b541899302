#include "base/priority.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/weight.h"

void wy_outrank_tasks(void) {
    static const char session[] = "-10"; /* nine times the weight of a session at 0, where the workers' group has one per processor */
    wy_weigh(0, -10, 100000);
    if (getsid(0) != getpid()) {
        return; /* others live in this session */
    }
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, session, strlen(session)); /* EAGAIN, EPERM, or no such file in a kernel without: as before */
        close(fd);
    }
}
