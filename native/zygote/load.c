#include "zygote/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_PATH "/tmp/image.so"
#define WHOLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static wy_status load_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "load", "%s: %s", what, strerror(cause));
}

/* A copy, because dlopen wants a path and a mapping of the memfd would keep the sender's file alive. */
static wy_status copy_plugin(wy_error *error) {
    struct stat facts;
    int seals = fcntl(WY_ZYGOTE_FD_SOURCE, F_GET_SEALS);
    if (seals < 0 || (seals & WHOLE_SEALS) != WHOLE_SEALS || fstat(WY_ZYGOTE_FD_SOURCE, &facts) != 0) {
        return wy_fail(error, WY_INVALID, 0, "load", "the plugin's memory file is not sealed");
    }
    int out = open(IMAGE_PATH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0500);
    if (out < 0) {
        return load_fail(error, "cannot create the private copy");
    }
    off_t done = 0;
    ssize_t put = 1;
    while (done < facts.st_size && put > 0) {
        put = sendfile(out, WY_ZYGOTE_FD_SOURCE, &done, (size_t)(facts.st_size - done));
    }
    wy_status status =
        put <= 0 && facts.st_size > 0 ? load_fail(error, "cannot copy (larger than the profile's tmpfs?)") : WY_OK;
    (void)close(out);
    (void)close(WY_ZYGOTE_FD_SOURCE);
    return status;
}

/* A second thread would not be in the workers, but its locks would. */
static wy_status refuse_threads(wy_error *error) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    if (tasks == NULL) {
        return load_fail(error, "cannot count threads");
    }
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(tasks);
    return count == 1 ? WY_OK : wy_fail(error, WY_DENIED, 0, "load", "the image left %d threads behind", count - 1);
}

wy_status wy_zygote_load(wy_zygote_state *zygote, wy_error *error) {
    wy_status status = copy_plugin(error);
    if (status == WY_OK) {
        status = wy_image_load(IMAGE_PATH, &zygote->image, error);
    }
    (void)unlink(IMAGE_PATH);
    return status == WY_OK ? refuse_threads(error) : status;
}
