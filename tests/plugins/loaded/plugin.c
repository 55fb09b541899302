/* A plugin whose constructor does harm (DEED). Where it lives on, its function tells what came of that; loaded by another
 * program (LD_PRELOAD) with LOADED_TELL in its environment, it tells at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loaded.h"
#include "wayang_plugin.h"

static char outcome[32];

__attribute__((constructor)) static void load(void) {
    errno = 0;
    long result = DEED();
    const char *name = result == LOADED_WENT ? "went" : result == 0 ? "contained" : strerrorname_np(errno);
    (void)snprintf(outcome, sizeof outcome, "%s", name == NULL ? "unknown" : name);
    if (getenv("LOADED_TELL") != NULL) {
        (void)unsetenv("LD_PRELOAD");
        (void)puts(outcome);
    }
}

static int told(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    return wayang_append(call, outcome, strlen(outcome));
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "told", told, NULL);
}
