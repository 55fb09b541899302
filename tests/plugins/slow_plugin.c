/* Calls that take a while, so that a kill finds them at work. */
#include <stdlib.h>
#include <time.h>

#include "wayang_plugin.h"

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Input "MICROSECONDS TEXT": busy for so long, then answers the whole input. */
static int slow_echo(wayang_call *call, const void *input, size_t length) {
    long long until = now_us() + strtol(input, NULL, 10);
    while (now_us() < until && !wayang_cancelled(call)) {
    }
    return wayang_append(call, input, length);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "slow_echo", slow_echo, NULL);
}
