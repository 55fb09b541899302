/* A hostile image: makes a child of the spawner's behind its back, before it registers anything. */
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wayang_plugin.h"

__attribute__((constructor)) static void fork_away(void) {
    if (syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0) == 0) {
        for (;;) {
            pause();
        }
    }
}

static int noop(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 0;
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "noop", noop, NULL);
}
