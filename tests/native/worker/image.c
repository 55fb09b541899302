/* Which plugins are loaded and which are refused, and with what words. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "worker/worker.h"

static char path[4096];

static const char *plugin(const char *folder, const char *name) {
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void loads(const char *folder) {
    wy_error error;
    static wy_image *image; /* lives as long as the process */
    CHECK(wy_image_load(plugin(folder, "test_plugin.so"), &image, &error) == WY_OK);
    if (check_group_failures == 0) {
        CHECK(wy_image_function_count(image) == 23);
        CHECK(strcmp(wy_image_function_name(image, 0), "noop") == 0);
        CHECK(strcmp(wy_image_function_name(image, 1), "echo") == 0);
        CHECK(strcmp(wy_image_function_name(image, 22), "count_on") == 0);
        CHECK(wy_image_function_name(image, 23) == NULL);
    }
    check_done("a plugin loads, functions in registration order");
}

static void refuses(const char *folder, const char *name, wy_status status, const char *where, const char *group) {
    wy_error error;
    wy_image *image;
    memset(&error, 0, sizeof(error));
    CHECK(wy_image_load(plugin(folder, name), &image, &error) == status);
    CHECK(image == NULL);
    CHECK(strcmp(error.where, where) == 0);
    CHECK(error.message[0] != '\0');
    check_done(group);
}

int main(int count, char **arguments) {
    if (count != 2) {
        return 2;
    }
    refuses(arguments[1], "missing.so", WY_INVALID, "dlopen", "a missing file is refused");
    refuses(arguments[1], "old_plugin.so", WY_UNSUPPORTED, "plugin_abi", "another ABI is refused before its init runs");
    loads(arguments[1]);
    refuses(arguments[1], "thread_plugin.so", WY_DENIED, "threads", "a second thread is refused");
    return check_failures != 0;
}
