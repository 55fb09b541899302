/* Between the zygote (which knows no Python) and wayang_python.so (which links libpython and nothing of ours).
 *
 * The zygote copies wayang_python.so into its private /tmp, loads it with RTLD_GLOBAL (extension modules of the distribution
 * find libpython's symbols that way), and calls wayang_python_load once. What that registers are functions as a C plugin's:
 * the worker's loop is the same for both. */
#ifndef WAYANG_PYTHON_ADAPTER_H
#define WAYANG_PYTHON_ADAPTER_H

#include "base/status.h"
#include "channel/layout.h"
#include "python/source.h"
#include "wayang_plugin.h"

#define WY_PYTHON_ADAPTER_ABI 1u
#define WY_PYTHON_LOAD_NAME "wayang_python_load"
#define WY_PYTHON_DETAIL_BYTES 4096u

/* What a worker gives beyond what C plugins get. */
typedef struct wy_python_services {
    int (*facts)(wy_call_facts *out);                /* of the call that runs; 0: not told */
    void (*trace)(const char *trace, size_t length); /* after host->fail */
    /* Whether this thread may write to the log and tell progress; returns what was. With the GIL held only. */
    int (*speak)(int on);
} wy_python_services;

typedef struct wy_python_image {
    uint32_t abi;
    int files; /* workers see the profile's files: imports go on to work */
    const wayang_host *host;
    wayang_registry *registry;
    const wy_python_services *services;
    const wy_python_parts *parts;
    /* Filled by the adapter: */
    void (*started)(void); /* in a fresh worker */
    void (*after)(void);   /* after each call's answer is out */
    char detail[WY_PYTHON_DETAIL_BYTES]; /* on failure, more lines than the error has room for; NUL-terminated */
} wy_python_image;

/* Starts the interpreter, preloads, runs the module, registers its functions, and leaves the interpreter as workers need it.
 * Once per process. */
typedef wy_status (*wy_python_load)(wy_python_image *image, wy_error *error);

#endif
