/* Leaves a second thread behind: must be refused. */
#include <pthread.h>
#include <unistd.h>

#include "wayang_plugin.h"

static void *linger(void *argument) {
    (void)argument;
    for (;;) {
        (void)pause();
    }
    return NULL;
}

static int noop(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 0;
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    pthread_t thread;
    (void)host;
    return pthread_create(&thread, NULL, linger, NULL) != 0 || registry->add(registry, "noop", noop, NULL);
}
