/* What the suites call: functions that do as little as a function can, and some that do as much harm as one can. */
#include <string.h>

#include <wayang_plugin.h>

static int echo(wayang_call *call, const void *input, size_t length) {
    return wayang_append(call, input, length);
}

static int nothing(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 0;
}

static int hog(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    for (volatile unsigned long i = 0;; i++) {
    }
    return 0;
}

/* As long a log as is kept of a call, in short lines. */
static int log_flood(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    for (int i = 0; i < 65536; i++) {
        wayang_log(call, WAYANG_LOG_ERROR, "sixty-four bytes of a log that nobody wants to read, once again.", 64);
    }
    return 0;
}

/* 32 MiB: chunks through the ring, as fast as they are taken. */
static int output_flood(wayang_call *call, const void *input, size_t length) {
    const size_t much = (size_t)32 << 20;
    (void)input;
    (void)length;
    void *room = wayang_reserve(call, much);
    if (room == NULL) {
        return 1;
    }
    memset(room, 'x', much);
    return 0;
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "echo", echo, NULL) || registry->add(registry, "nothing", nothing, NULL) ||
           registry->add(registry, "hog", hog, NULL) || registry->add(registry, "log_flood", log_flood, NULL) ||
           registry->add(registry, "output_flood", output_flood, NULL);
}
