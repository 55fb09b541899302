#include "oci/runtime.h"

#include <unistd.h>

static const struct {
    const char *name, *package;
    const char *programs[2];
} runtimes[] = {
    [WY_RUNTIME_NATIVE] = {"native", NULL, {NULL, NULL}},
    [WY_RUNTIME_CRUN] = {"crun", "apt-get install -y crun", {"/usr/bin/crun", "/usr/local/bin/crun"}},
    [WY_RUNTIME_RUNC] = {"runc", NULL, {"/usr/bin/runc", "/usr/sbin/runc"}},
    [WY_RUNTIME_RUNSC] = {"runsc", "gVisor's package runsc, see gvisor.dev", {"/usr/bin/runsc", "/usr/local/bin/runsc"}},
};
#define COUNT (sizeof runtimes / sizeof runtimes[0])

const char *wy_runtime_name(uint32_t runtime) {
    return runtime < COUNT ? runtimes[runtime].name : "unknown";
}

const char *wy_runtime_program(uint32_t runtime) {
    for (size_t i = 0; runtime < COUNT && i < 2; i++) {
        if (runtimes[runtime].programs[i] != NULL && access(runtimes[runtime].programs[i], X_OK) == 0) {
            return runtimes[runtime].programs[i];
        }
    }
    return NULL;
}

wy_status wy_runtime_check(uint32_t runtime, wy_error *error) {
    if (runtime == WY_RUNTIME_NATIVE) {
        return WY_OK;
    }
    if (runtime == WY_RUNTIME_RUNC) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "isolation",
                       "isolation: runc moves a task out of the control groups that hold its limits; use crun");
    }
    if (geteuid() != 0) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "isolation", "isolation: %s is for a runtime that root started; native works without",
                       wy_runtime_name(runtime));
    }
    return wy_runtime_program(runtime) != NULL
               ? WY_OK
               : wy_fail(error, WY_UNSUPPORTED, 0, "isolation", "isolation: %s is not installed (%s)", wy_runtime_name(runtime),
                         runtimes[runtime].package);
}
