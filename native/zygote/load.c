#include "zygote/state.h"

#include "python/source.h"
#include "spawner/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_PATH "/tmp/image.so"
#define ADAPTER_PATH "/tmp/wayang_python.so"
#define WHOLE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static wy_status load_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "load", "%s: %s", what, strerror(cause));
}

static wy_status check_source(struct stat *facts, wy_error *error) {
    int seals = fcntl(WY_ZYGOTE_FD_SOURCE, F_GET_SEALS);
    if (seals < 0 || (seals & WHOLE_SEALS) != WHOLE_SEALS || fstat(WY_ZYGOTE_FD_SOURCE, facts) != 0) {
        return wy_fail(error, WY_INVALID, 0, "load", "the image's memory file is not sealed");
    }
    return WY_OK;
}

/* A copy, because dlopen wants a path and a mapping would keep the sender's file alive. */
static wy_status copy_library(int from, off_t bytes, const char *path, wy_error *error) {
    int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0500);
    if (out < 0) {
        return load_fail(error, "cannot create the private copy");
    }
    off_t done = 0;
    ssize_t put = 1;
    while (done < bytes && put > 0) {
        put = sendfile(out, from, &done, (size_t)(bytes - done));
    }
    wy_status status =
        put <= 0 && bytes > 0 ? load_fail(error, "cannot copy (larger than the profile's tmpfs?)") : WY_OK;
    (void)close(out);
    (void)close(from);
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

/* Nobody who reads the message knows where our copy stands. */
static void name_plugin(wy_error *error) {
    static const char name[] = "the plugin";
    char *at;
    while ((at = strstr(error->message, IMAGE_PATH)) != NULL) {
        const char *rest = at + strlen(IMAGE_PATH);
        memmove(at + strlen(name), rest, strlen(rest) + 1);
        memcpy(at, name, strlen(name));
    }
}

static wy_status load_plugin(wy_zygote_state *zygote, wy_error *error) {
    struct stat facts;
    wy_status status = check_source(&facts, error);
    if (status == WY_OK) {
        status = copy_library(WY_ZYGOTE_FD_SOURCE, facts.st_size, IMAGE_PATH, error);
    }
    if (status == WY_OK) {
        status = wy_image_load(IMAGE_PATH, &zygote->image, error);
    }
    if (status != WY_OK) {
        name_plugin(error);
    }
    (void)unlink(IMAGE_PATH);
    return status;
}

static wy_status read_source(void **out, size_t *bytes, wy_error *error) {
    struct stat facts;
    wy_status status = check_source(&facts, error);
    if (status != WY_OK) {
        return status;
    }
    if (facts.st_size <= 0 || (size_t)facts.st_size > WY_PYTHON_MAX_SOURCE_BYTES) {
        return wy_fail(error, WY_TOO_BIG, 0, "load", "the source has %lld bytes", (long long)facts.st_size);
    }
    *bytes = (size_t)facts.st_size;
    *out = malloc(*bytes);
    if (*out == NULL || pread(WY_ZYGOTE_FD_SOURCE, *out, *bytes, 0) != (ssize_t)*bytes) {
        free(*out);
        return wy_fail(error, WY_NO_MEMORY, 0, "load", "cannot read the source");
    }
    (void)close(WY_ZYGOTE_FD_SOURCE);
    return WY_OK;
}

static wy_status load_python(wy_zygote_state *zygote, char *detail, wy_error *error) {
    struct stat facts;
    void *source = NULL;
    size_t bytes = 0;
    wy_status status = read_source(&source, &bytes, error);
    if (status != WY_OK) {
        return status;
    }
    status = fstat(WY_ZYGOTE_FD_PYTHON, &facts) == 0
                 ? copy_library(WY_ZYGOTE_FD_PYTHON, facts.st_size, ADAPTER_PATH, error)
                 : load_fail(error, "wayang_python.so was not handed over");
    if (status == WY_OK) {
        status = wy_image_load_python(ADAPTER_PATH, source, bytes, (int)zygote->config.files, &zygote->image, detail,
                                      WY_DETAIL_BYTES, error);
    }
    (void)unlink(ADAPTER_PATH);
    free(source);
    return status;
}

wy_status wy_zygote_load(wy_zygote_state *zygote, char *detail, wy_error *error) {
    wy_status status = zygote->config.image_kind == WY_IMAGE_PYTHON ? load_python(zygote, detail, error)
                                                                    : load_plugin(zygote, error);
    return status == WY_OK ? refuse_threads(error) : status;
}
