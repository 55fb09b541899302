#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"

int escape_first_descriptor = 3;

static const escape_case *const rooms[] = {escape_files,   escape_mounts, escape_kernel, escape_looser,
                                           escape_network, escape_tasks,  escape_greed};
#define ROOM_COUNT (sizeof rooms / sizeof rooms[0])

long escape_open(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    (void)close(fd);
    return ESCAPE_WENT;
}

static const char *verdict(long result) {
    if (result >= 0) {
        return result == ESCAPE_WENT ? "went" : "contained";
    }
    const char *name = strerrorname_np(errno);
    return name != NULL ? name : "unknown";
}

size_t escape_run(const char *name, char *line, size_t line_bytes) {
    for (size_t room = 0; room < ROOM_COUNT; room++) {
        for (const escape_case *one = rooms[room]; one->name != NULL; one++) {
            if (strcmp(one->name, name) == 0) {
                errno = 0;
                int length = snprintf(line, line_bytes, "%s %s\n", name, verdict(one->attempt()));
                return length > 0 && (size_t)length < line_bytes ? (size_t)length : 0;
            }
        }
    }
    return 0;
}

size_t escape_names(char *text, size_t text_bytes) {
    size_t used = 0;
    for (size_t room = 0; room < ROOM_COUNT; room++) {
        for (const escape_case *one = rooms[room]; one->name != NULL; one++) {
            int length = snprintf(text + used, text_bytes - used, "%s\n", one->name);
            if (length < 0 || (size_t)length >= text_bytes - used) {
                return used;
            }
            used += (size_t)length;
        }
    }
    return used;
}
