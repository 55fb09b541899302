/* What the suites call: functions that do as little as a function can. */
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

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "echo", echo, NULL) || registry->add(registry, "nothing", nothing, NULL);
}
