/* Where our own group is: /proc/self/cgroup says its path in each hierarchy, /proc/self/mountinfo where that hierarchy is
 * mounted and which part of it the mount shows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "spawner/cgroup.h"

static bool in_list(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at != NULL && *at != 0; at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0)) {
            return true;
        }
    }
    return false;
}

/* Our path in the version 1 hierarchy of `controller`, or in version 2 if that is NULL. */
static bool own_path(const char *controller, char *path, size_t path_bytes) {
    char line[1024];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        char *list = strchr(line, ':');
        char *where = list != NULL ? strchr(list + 1, ':') : NULL;
        if (where == NULL) {
            continue;
        }
        *where++ = 0;
        list++;
        found = controller == NULL ? strncmp(line, "0:", 2) == 0 || (line[0] == '0' && *list == 0) : in_list(list, controller);
        if (found) {
            found = snprintf(path, path_bytes, "%s", where) < (int)path_bytes;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* mountinfo writes blanks and the like as three octal digits. */
static void unescape(char *text) {
    char *out = text;
    for (const char *in = text; *in != 0; in++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] != 0 && in[3] != 0) {
            *out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
}

/* One line of mountinfo: does it show the hierarchy, and with it our group? */
static bool mount_shows(char *line, const char *controller, const char *own, char *path, size_t path_bytes) {
    char root[512], point[512], type[32], options[256];
    char *dash = strstr(line, " - ");
    if (dash == NULL || sscanf(line, "%*s %*s %*s %511s %511s", root, point) != 2 ||
        sscanf(dash + 3, "%31s %*s %255s", type, options) != 2) {
        return false;
    }
    if (controller == NULL ? strcmp(type, "cgroup2") != 0 : strcmp(type, "cgroup") != 0 || !in_list(options, controller)) {
        return false;
    }
    unescape(root);
    unescape(point);
    size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(own, root, skip) != 0 || (own[skip] != '/' && own[skip] != 0) || strstr(own, "/..") != NULL) {
        return false; /* our group lies outside of what is mounted: seen from inside a container */
    }
    const char *rest = strcmp(own + skip, "/") == 0 ? "" : own + skip;
    return snprintf(path, path_bytes, "%s%s", point, rest) < (int)path_bytes;
}

static bool find_mount(const char *controller, const char *own, char *path, size_t path_bytes) {
    char line[2048];
    bool found = false;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        found = mount_shows(line, controller, own, path, path_bytes);
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Is the controller at work in our version 2 group? */
static bool unified_has(const char *path, const char *controller) {
    char name[600], line[512];
    bool found = false;
    snprintf(name, sizeof name, "%s/cgroup.controllers", path);
    FILE *file = fopen(name, "re");
    if (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = NULL;
        for (char *word = strtok_r(line, " \n", &rest); word != NULL && !found; word = strtok_r(NULL, " \n", &rest)) {
            found = strcmp(word, controller) == 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

wy_status wy_cgroup_find(const char *controller, char *path, size_t path_bytes, bool *unified, wy_error *error) {
    char own[512];
    *unified = false;
    if (own_path(controller, own, sizeof own) && find_mount(controller, own, path, path_bytes)) {
        return WY_OK;
    }
    *unified = true;
    if (own_path(NULL, own, sizeof own) && find_mount(NULL, own, path, path_bytes) && unified_has(path, controller)) {
        return WY_OK;
    }
    return wy_fail(error, WY_UNSUPPORTED, 0, "cgroup", "no %s controller is at work in our group", controller);
}
