/* The attempts as one function of a plugin: input is a name, NUL-terminated; output its line. */
#include "escape.h"
#include "wayang_plugin.h"

static int attempt(wayang_call *call, const void *input, size_t length) {
    char line[128];
    (void)length; /* input is followed by a NUL */
    size_t told = escape_run(input, line, sizeof line);
    return told > 0 ? wayang_append(call, line, told) : wayang_fail(call, "unknown", input);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    escape_first_descriptor = 4; /* 3 is the doorbell */
    return registry->add(registry, "attempt", attempt, NULL);
}
