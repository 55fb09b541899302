/* A Python module as an image: the adapter registers its functions as a plugin does. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/adapter.h"
#include "worker/state.h"

/* The loader names the library that it missed; what to install is for us to say. */
static wy_status loader_fail(wy_error *error) {
    const char *reason = dlerror();
    const char *name = reason == NULL ? NULL : strstr(reason, "libpython");
    if (name != NULL) {
        const char *end = strstr(name, ".so");
        return wy_fail(error, WY_UNSUPPORTED, 0, "python",
                       "the sandbox finds no libpython: install it (Debian: apt-get install %.*s). %.90s",
                       end == NULL || end - name > 20 ? 9 : (int)(end - name), name, reason);
    }
    return wy_fail(error, WY_UNSUPPORTED, 0, "python", "cannot load wayang_python.so: %.150s",
                   reason == NULL ? "unknown" : reason);
}

static wy_status load(const char *adapter, const wy_python_parts *parts, int files, wy_image *image,
                      wy_python_image *request, wy_error *error) {
    static const wy_python_services services = {
        .facts = wy_call_facts_read, .trace = wy_call_trace, .speak = wy_call_thread_speak};
    wy_python_load run;
    image->library = dlopen(adapter, RTLD_NOW | RTLD_GLOBAL);
    if (image->library == NULL) {
        return loader_fail(error);
    }
    *(void **)(void *)&run = dlsym(image->library, WY_PYTHON_LOAD_NAME);
    if (run == NULL) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "python", "wayang_python.so has no %s: build and install it again",
                       WY_PYTHON_LOAD_NAME);
    }
    wy_registry registry;
    wy_registry_init(&registry, image);
    wy_host_init(&wy_the_worker.host);
    request->abi = WY_PYTHON_ADAPTER_ABI;
    request->files = files;
    request->host = &wy_the_worker.host;
    request->registry = &registry.shown;
    request->services = &services;
    request->parts = parts;
    wy_status status = run(request, error);
    if (status == WY_OK && registry.refused != NULL) {
        status = wy_fail(error, WY_INVALID, 0, "functions", "%s", registry.refused);
    }
    image->started = request->started;
    image->after = request->after;
    return status;
}

wy_status wy_image_load_python(const char *adapter, const void *source, size_t source_bytes, int files, wy_image **out,
                               char *detail, size_t detail_bytes, wy_error *error) {
    static wy_python_image request; /* its detail is too large for a stack that workers copy */
    wy_python_parts parts;
    *out = NULL;
    detail[0] = '\0';
    int before = wy_thread_count();
    wy_status status = wy_python_source_read(source, source_bytes, &parts, error);
    wy_image *image = status == WY_OK ? calloc(1, sizeof *image) : NULL;
    if (status == WY_OK && image == NULL) {
        return wy_fail(error, WY_NO_MEMORY, errno, "calloc", "no memory for the image");
    }
    status = status == WY_OK ? wy_stdio_route(error) : status;
    status = status == WY_OK ? load(adapter, &parts, files, image, &request, error) : status;
    status = status == WY_OK ? wy_threads_check(before > 0 ? before : 1, parts.name, error) : status;
    if (status != WY_OK) {
        request.detail[sizeof request.detail - 1] = '\0';
        (void)snprintf(detail, detail_bytes, "%s", request.detail);
        free(image); /* the library stays loaded: its threads or handlers may still point into it */
        return status;
    }
    *out = image;
    return WY_OK;
}
