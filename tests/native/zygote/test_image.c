/* Stands for native/worker in a test zygote: an "image" is a file whose first word says what its loading does. */
#include "test_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/worker.h"

struct wy_image {
    long constructor_ptrace; /* what the zygote's filter said while "foreign code" ran */
};

static void *wait_forever(void *unused) {
    (void)unused;
    for (;;) {
        (void)pause();
    }
    return NULL;
}

wy_status wy_image_load(const char *path, wy_image **out, wy_error *error) {
    static wy_image image;
    char word[16] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, word, sizeof word - 1) < 0) {
        return wy_fail(error, WY_SYSTEM, errno, "test image", "cannot read %s", path);
    }
    (void)close(fd);
    if (strncmp(word, "thread", 6) == 0) {
        pthread_t thread;
        (void)pthread_create(&thread, NULL, wait_forever, NULL);
    } else if (strncmp(word, "broken", 6) == 0) {
        return wy_fail(error, WY_INVALID, 0, "test image", "asked to fail");
    } else if (strncmp(word, "hostile", 7) == 0 && syscall(SYS_bpf, 0, 0, 0) == -1 && errno != ENOSYS) {
        return wy_fail(error, WY_CORRUPT, errno, "test image", "the zygote's filter let bpf through");
    }
    *out = &image;
    return WY_OK;
}

wy_status wy_image_load_python(const char *adapter, const void *source, size_t source_bytes, int files, wy_image **out,
                               char *detail, size_t detail_bytes, wy_error *error) {
    (void)adapter;
    (void)source;
    (void)source_bytes;
    (void)files;
    (void)detail_bytes;
    *out = NULL;
    detail[0] = '\0';
    return wy_fail(error, WY_UNSUPPORTED, 0, "test image", "no Python here");
}

uint32_t wy_image_function_count(const wy_image *image) {
    (void)image;
    return 2;
}

const char *wy_image_function_name(const wy_image *image, uint32_t index) {
    (void)image;
    return index == 0 ? "first" : "second";
}

wy_status wy_worker_open(const wy_channel_header *d, uint64_t d_bytes, wy_channel_header *w, uint64_t w_bytes,
                         wy_error *error) {
    (void)d;
    (void)w;
    return d_bytes >= 8192 && w_bytes >= 8192 ? WY_OK : wy_fail(error, WY_INVALID, 0, "test image", "small files");
}

int wy_worker_run(wy_image *image, const wy_channel_header *d, wy_channel_header *w) {
    (void)image;
    const test_requests *requests = (const test_requests *)((const char *)d + TEST_OFFSET);
    test_results *results = (test_results *)((char *)w + TEST_OFFSET);
    for (uint64_t i = 0; i < requests->count && i < TEST_MAX_CALLS; i++) {
        const test_call *call = &requests->calls[i];
        long value = syscall(call->number, call->arguments[0], call->arguments[1], call->arguments[2],
                             call->arguments[3], call->arguments[4], call->arguments[5]);
        results->values[i] = value == -1 ? -errno : value;
    }
    __atomic_store_n(&results->done, 1, __ATOMIC_RELEASE);
    uint64_t one = 1;
    ssize_t ignored = write(WY_WORKER_FD_DOORBELL, &one, sizeof one);
    (void)ignored;
    while (__atomic_load_n(&d->doorbell, __ATOMIC_ACQUIRE) == 0) {
        (void)syscall(SYS_futex, &d->doorbell, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    return TEST_EXIT_CODE;
}
