/* The installation and the place of the runtime, judged as the keeper will judge them. Nothing is changed. */
#include "probe/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/keeper.h"

static const char *const programs[] = {"wayang-keeper", "wayang-spawner", "wayang-zygote", "libwayang.so"};

static void complete(const wy_probe_context *context, wy_answer *answer) {
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        char path[600];
        int wanted = strchr(programs[i], '.') == NULL ? R_OK | X_OK : R_OK;
        (void)snprintf(path, sizeof path, "%s/%s", context->native_dir, programs[i]);
        if (access(path, wanted) != 0) {
            wy_say(answer, WY_PROBE_NO, "%.150s: %s", path, strerror(errno));
            return;
        }
    }
    wy_say(answer, WY_PROBE_YES, "complete in %.150s", context->native_dir);
}

static void owner(const wy_probe_context *context, wy_answer *answer) {
    wy_error error;
    memset(&error, 0, sizeof error);
    wy_status status = wy_check_owned(context->native_dir, &error);
    for (size_t i = 0; status == WY_OK && i < sizeof programs / sizeof programs[0]; i++) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s", context->native_dir, programs[i]);
        status = wy_check_owned(path, &error);
    }
    wy_say(answer, status == WY_OK ? WY_PROBE_YES : WY_PROBE_NO, "%.180s",
           status == WY_OK ? "root's or yours, and closed to other writers" : error.message);
}

/* What is there is looked at; what is not there is tried beside, under another name. */
static void runtime_dir(const wy_probe_context *context, wy_answer *answer) {
    struct stat facts;
    const char *path = context->runtime_dir;
    char other[300];
    if (lstat(path, &facts) == 0) {
        int ours = geteuid() == 0 ? facts.st_uid == 0 || facts.st_uid == WY_DAEMON_UID
                                  : facts.st_uid == geteuid() && (facts.st_mode & 077) == 0;
        int good = S_ISDIR(facts.st_mode) && ours && access(path, W_OK) == 0;
        wy_say(answer, good ? WY_PROBE_YES : WY_PROBE_NO, "%.100s %s (uid %u, mode %04o)", path,
               good ? "is ours" : "is not a directory of ours alone", (unsigned)facts.st_uid,
               (unsigned)(facts.st_mode & 07777));
        return;
    }
    (void)snprintf(other, sizeof other, "%s-probe-%d", path, (int)getpid());
    if (mkdir(other, 0700) != 0) {
        wy_say(answer, WY_PROBE_NO, "%.100s cannot be made: %s", path, strerror(errno));
        return;
    }
    (void)rmdir(other);
    wy_say(answer, WY_PROBE_YES, "%.100s can be made", path);
}

const wy_check wy_installation_checks[] = {
    {"installation.files", complete, 0},
    {"installation.owner", owner, 0},
    {"installation.runtime_dir", runtime_dir, 0},
    {NULL, NULL, 0},
};
