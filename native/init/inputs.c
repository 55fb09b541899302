/* Inputs: files that came with the task. Written inside its sandbox and group, so they count against its own limits. */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The working directory, made part by part; no symlink is followed, none can be there yet. */
static int open_directory(const char *cwd) {
    char part[256];
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *from = cwd; at >= 0 && *from != '\0';) {
        from += strspn(from, "/");
        size_t length = strcspn(from, "/");
        if (length == 0) {
            break;
        }
        if (length >= sizeof part) {
            errno = ENAMETOOLONG;
            (void)close(at);
            return -1;
        }
        memcpy(part, from, length);
        part[length] = '\0';
        from += length;
        (void)mkdirat(at, part, 0755); /* if it is not there then, the next line says so */
        int next = openat(at, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int cause = errno;
        (void)close(at);
        errno = cause;
        at = next;
    }
    return at;
}

int wy_inputs_write(const wy_stage *stage, const char *cwd, const char **what) {
    int directory = open_directory(cwd);
    *what = cwd;
    if (directory < 0) {
        return -1;
    }
    for (uint32_t i = 0; i < stage->header.count; i++) {
        if (stage->entries[i].kind == WY_STAGE_INPUT && wy_stage_write(stage, &stage->entries[i], directory) != 0) {
            *what = stage->entries[i].name;
            return -1;
        }
    }
    if (stage->header.flags != 0 && mkdirat(directory, "out", 0755) != 0 && errno != EEXIST) {
        *what = "out";
        return -1;
    }
    return directory;
}
