/* A plugin that tries to do harm: what the demo lets loose to show that none comes of it. Each function names in its
 * comment the end that the runtime gives it. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <wayang_plugin.h>

#include "channel/layout.h"

#define GARBAGE 0xA5
#define UNMAPPED_ADDRESS 8u

/* signal(11): the worker dies, the pool forks another. */
static int segfault(wayang_call *call, const void *input, size_t length)
{
    (void)call, (void)input, (void)length;
    /* Read from a variable, so that the compiler cannot see the fault coming and refuse. */
    static volatile uintptr_t address = UNMAPPED_ADDRESS;
    *(volatile int *)address = 1;
    return 0;
}

/* signal(6) */
static int abort_now(wayang_call *call, const void *input, size_t length)
{
    (void)call, (void)input, (void)length;
    abort();
}

/* timeout: no cooperation is asked for, the worker's processes are killed. */
static int endless_loop(wayang_call *call, const void *input, size_t length)
{
    (void)call, (void)input, (void)length;
    volatile uint64_t turns = 0;
    volatile int for_ever = 1;
    while (for_ever) {
        turns++;
    }
    return 0;
}

/* A typed error with errno where the filter answers one, sandbox_violation where it kills. */
static int open_socket(wayang_call *call, const void *input, size_t length)
{
    (void)input, (void)length;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor >= 0) {
        static const char told[] = "a socket was opened\n";
        close(descriptor);
        return wayang_append(call, told, sizeof told - 1);
    }
    return wayang_fail(call, "socket_refused", strerrorname_np(errno));
}

/* sandbox_violation: the daemon checks every word that it reads from a worker. Goes on until it is killed: returning would
 * answer the call before the daemon has looked. */
static int garbage_channel(wayang_call *call, const void *input, size_t length)
{
    (void)call, (void)input, (void)length;
    uint8_t *file = (uint8_t *)(uintptr_t)WY_CHANNEL_W_ADDRESS;
    uint32_t slots = ((const wy_channel_header *)file)->slots;
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    const uint64_t one = 1;
    volatile int for_ever = 1;
    while (for_ever) {
        memset(file + offsetof(wy_channel_header, head), GARBAGE, sizeof(uint64_t));
        memset(file + WY_CHANNEL_HEADER_BYTES, GARBAGE, (size_t)slots * WY_CHANNEL_SLOT_BYTES);
        ssize_t rung = write(WY_WORKER_FD_DOORBELL, &one, sizeof one);
        (void)rung;
        (void)nanosleep(&moment, NULL);
    }
    return 0;
}

/* sandbox_violation: ptrace is on the list of dangerous calls. */
static int ptrace_call(wayang_call *call, const void *input, size_t length)
{
    (void)input, (void)length;
    long result = syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
    return wayang_fail(call, result < 0 ? "ptrace_refused" : "ptrace_allowed", "ptrace returned to its caller");
}

/* failed: a worker that leaves in the middle of a call has not answered it. */
static int exit_early(wayang_call *call, const void *input, size_t length)
{
    (void)call, (void)input, (void)length;
    _exit(0);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry)
{
    static const struct {
        const char *name;
        wayang_function function;
    } all[] = {
        {"segfault", segfault},         {"abort", abort_now},
        {"endless_loop", endless_loop}, {"open_socket", open_socket},
        {"garbage_channel", garbage_channel}, {"ptrace_call", ptrace_call},
        {"exit_early", exit_early},
    };
    (void)host;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (registry->add(registry, all[i].name, all[i].function, NULL) != 0) {
            return 1;
        }
    }
    return 0;
}
