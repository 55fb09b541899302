#include "zygote/launch.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t wy_clone(uint64_t flags, int exit_signal, int *pidfd) {
    struct clone_args arguments = {
        .flags = flags, .exit_signal = (uint64_t)exit_signal, .pidfd = (uint64_t)(uintptr_t)pidfd};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

uint32_t *wy_thread_id_place(void) {
    int *place = NULL;
    return prctl(PR_GET_TID_ADDRESS, (unsigned long)(uintptr_t)&place, 0, 0, 0) == 0 ? (uint32_t *)(void *)place : NULL;
}

pid_t wy_clone_worker(uint64_t flags, uint32_t *thread_id, int *pidfd) {
    struct clone_args arguments = {.flags = flags | (thread_id != NULL ? (uint64_t)CLONE_CHILD_SETTID : 0),
                                   .child_tid = (uint64_t)(uintptr_t)thread_id,
                                   .pidfd = (uint64_t)(uintptr_t)pidfd};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}
