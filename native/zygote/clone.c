#include "zygote/launch.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t wy_clone(uint64_t flags, int exit_signal, int *pidfd) {
    struct clone_args arguments = {
        .flags = flags, .exit_signal = (uint64_t)exit_signal, .pidfd = (uint64_t)(uintptr_t)pidfd};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}
