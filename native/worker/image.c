#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "worker/state.h"

static int name_valid(const char *name) {
    size_t length = name == NULL ? 0 : strnlen(name, WY_FUNCTION_NAME_BYTES);
    if (length == 0 || length >= WY_FUNCTION_NAME_BYTES) {
        return 0;
    }
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static int registry_add(wayang_registry *shown, const char *name, wayang_function run, void *state) {
    wy_registry *own = (wy_registry *)(void *)shown;
    wy_image *image = own->image;
    if (!name_valid(name) || run == NULL) {
        own->refused = "a function's name must be 1 to 63 of [A-Za-z0-9_.-]";
        return 1;
    }
    if (image->count == WY_IMAGE_MAX_FUNCTIONS) {
        own->refused = "more than 1024 functions";
        return 1;
    }
    for (uint32_t i = 0; i < image->count; i++) {
        if (strcmp(image->functions[i].name, name) == 0) {
            own->refused = "two functions have one name";
            return 1;
        }
    }
    wy_function *function = &image->functions[image->count++];
    function->run = run;
    function->state = state;
    memcpy(function->name, name, strlen(name) + 1);
    return 0;
}

void wy_registry_init(wy_registry *registry, wy_image *image) {
    *registry = (wy_registry){
        .shown = {.size = sizeof(wayang_registry), .abi = WAYANG_PLUGIN_ABI, .add = registry_add},
        .image = image,
    };
}

/* Counted in /proc where it is there; else the kernel is asked to unshare what only a process with one thread can, which
 * changes nothing when it succeeds. 0 when neither is possible. */
int wy_thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        if (unshare(CLONE_THREAD) == 0) {
            return 1;
        }
        return errno == EINVAL ? 2 : 0;
    }
    int count = 0;
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(tasks);
    return count;
}

wy_status wy_threads_check(int before, const char *what, wy_error *error) {
    int now = wy_thread_count();
    if (now == 0) {
        return wy_fail(error, WY_UNSUPPORTED, errno, "threads", "cannot tell whether %s left a thread behind", what);
    }
    if (now > before) {
        return wy_fail(error, WY_DENIED, 0, "threads", "%s left a second thread behind: start threads inside a call", what);
    }
    return WY_OK;
}

static wy_status initialize(wy_image *image, const char *path, wy_error *error) {
    const uint32_t *abi = dlsym(image->library, "wayang_plugin_abi");
    int (*init)(const wayang_host *, wayang_registry *);
    *(void **)(void *)&init = dlsym(image->library, "wayang_plugin_init");
    if (abi == NULL || init == NULL) {
        return wy_fail(error, WY_INVALID, 0, "dlsym", "%s is not a plugin: wayang_plugin_init and wayang_plugin_abi (by "
                       "including wayang_plugin.h) must be visible", path);
    }
    if (*abi != WAYANG_PLUGIN_ABI) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "plugin_abi", "%s was built for plugin ABI %u, this runtime has %u", path,
                       *abi, WAYANG_PLUGIN_ABI);
    }
    wy_registry own;
    wy_registry_init(&own, image);
    wy_host_init(&wy_the_worker.host);
    int result = init(&wy_the_worker.host, &own.shown);
    if (result != 0 || own.refused != NULL) {
        return wy_fail(error, WY_INVALID, 0, "wayang_plugin_init", "%s: returned %d%s%s", path, result,
                       own.refused == NULL ? "" : ": ", own.refused == NULL ? "" : own.refused);
    }
    return image->count != 0 ? WY_OK : wy_fail(error, WY_INVALID, 0, "wayang_plugin_init", "%s has no function", path);
}

wy_status wy_image_load(const char *path, wy_image **out, wy_error *error) {
    *out = NULL;
    int before = wy_thread_count(); /* 1, but for sanitizers that have a thread of their own */
    wy_image *image = calloc(1, sizeof(*image));
    if (image == NULL) {
        return wy_fail(error, WY_NO_MEMORY, errno, "calloc", "no memory for the image");
    }
    wy_status status = wy_stdio_route(error);
    if (status == WY_OK) {
        image->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (image->library == NULL) {
            const char *reason = dlerror();
            status = wy_fail(error, WY_INVALID, 0, "dlopen", "%s", reason == NULL ? "cannot load the plugin" : reason);
        }
    }
    status = status == WY_OK ? initialize(image, path, error) : status;
    status = status == WY_OK ? wy_threads_check(before > 0 ? before : 1, path, error) : status;
    if (status != WY_OK) {
        free(image); /* the library stays loaded: its threads or handlers may still point into it */
        return status;
    }
    *out = image;
    return WY_OK;
}

uint32_t wy_image_function_count(const wy_image *image) {
    return image->count;
}

const char *wy_image_function_name(const wy_image *image, uint32_t index) {
    return index < image->count ? image->functions[index].name : NULL;
}
