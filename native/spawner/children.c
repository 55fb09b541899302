/* A zygote can clone with CLONE_PARENT, which is how workers become our children; so it can also make children that nobody
 * asked for. They are held by the image's own group and namespaces, and this sweep kills and reaps them. A pid of a child
 * that only we reap cannot be reused before we do, so a signal by pid is safe here. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawner/state.h"

bool wy_child_known(const wy_spawner *s, pid_t pid) {
    for (uint32_t i = 0; i < s->policy.max_images; i++) {
        const wy_image_slot *image = &s->images[i];
        if (image->state != WY_IMAGE_FREE && ((image->holder_alive && image->zygote.holder_pid == pid) ||
                                              (image->zygote_alive && image->zygote.zygote_pid == pid))) {
            return true;
        }
    }
    return pid == s->spaces.maker || wy_worker_has_pid(s, pid) || wy_agent_has_pid(s, pid);
}

/* While forks are under way, a child without a name may be one whose ZY_FORKED has not been read yet. It gets as long as
 * such an answer may take; without forks under way it gets no time at all. */
static bool is_overdue(wy_spawner *s, pid_t pid, int64_t now_ms) {
    wy_suspect *free_place = NULL;
    if (s->forking == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof s->suspects / sizeof s->suspects[0]; i++) {
        wy_suspect *suspect = &s->suspects[i];
        if (suspect->pid == pid) {
            return now_ms - suspect->since_ms > WY_BOOT_TIMEOUT_MS + 1000;
        }
        if (suspect->pid == 0 || now_ms - suspect->since_ms > 2 * WY_BOOT_TIMEOUT_MS) {
            free_place = suspect;
        }
    }
    if (free_place != NULL) { /* no place: it is looked at again in the next sweep */
        free_place->pid = pid;
        free_place->since_ms = now_ms;
    }
    return false;
}

static void judge(wy_spawner *s, pid_t pid, int64_t now_ms) {
    if (pid <= 0 || wy_child_known(s, pid) || !is_overdue(s, pid, now_ms)) {
        return;
    }
    kill(pid, SIGKILL);
    if (waitpid(pid, NULL, WNOHANG | __WALL) == pid) {
        wy_log_line(s, "killed child %d: its fork was not told; its zygote ended before, or made it unasked", (int)pid);
        for (size_t i = 0; i < sizeof s->suspects / sizeof s->suspects[0]; i++) {
            s->suspects[i].pid = s->suspects[i].pid == pid ? 0 : s->suspects[i].pid;
        }
    } else {
        s->next_sweep_ms = now_ms + WY_TICK_MS; /* it dies: reap it soon */
    }
}

void wy_children_sweep(wy_spawner *s, int64_t now_ms) {
    char path[64], text[16384];
    s->next_sweep_ms = now_ms + WY_SWEEP_MS;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { /* a kernel without CONFIG_PROC_CHILDREN: the ends of images still reap by namespace */
        return;
    }
    size_t have = 0;
    for (;;) {
        ssize_t got = read(fd, text + have, sizeof text - 1 - have);
        if (got <= 0) {
            break;
        }
        have += (size_t)got;
        text[have] = 0;
        char *cursor = text;
        for (char *space = strchr(cursor, ' '); space != NULL; space = strchr(cursor, ' ')) {
            *space = 0;
            judge(s, (pid_t)strtol(cursor, NULL, 10), now_ms);
            cursor = space + 1;
        }
        have = strlen(cursor); /* a pid that the buffer's end cut in two */
        memmove(text, cursor, have + 1);
    }
    close(fd);
}

/* Dead ones that nobody has reaped yet do nothing. */
static bool is_live(pid_t pid) {
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = 0;
    const char *name_end = strrchr(text, ')'); /* the name is the process's own choice */
    return name_end != NULL && name_end[1] == ' ' && strchr("ZXx", name_end[2]) == NULL;
}

static bool has_live_child(pid_t parent) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = 0;
    for (char *at = text, *end; *at != 0; at = end) {
        pid_t child = (pid_t)strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        if (is_live(child)) {
            return true;
        }
    }
    return false;
}

bool wy_image_left_processes(const wy_image_slot *image) {
    /* In this order: what loses its parent between the two looks goes to the holder, pid 1 of its namespace. */
    return has_live_child(image->zygote.zygote_pid) || has_live_child(image->zygote.holder_pid);
}
