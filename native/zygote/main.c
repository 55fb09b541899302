/* wayang-zygote: confines itself, loads an image, is sealed, then only forks. */
#include "zygote/state.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/weight.h"
#include "spawner/protocol.h"
#include "zygote/launch.h"

typedef struct ready_message {
    wy_zygote_header header;
    uint32_t function_count;
    uint32_t names_bytes;
    char names[WY_MSG_MAX_BYTES - sizeof(wy_zygote_header) - 8];
} ready_message;

static ready_message ready; /* static: too large for a stack that workers copy */

typedef struct failed_message {
    wy_zygote_header header;
    wy_error error;
    char detail[WY_DETAIL_BYTES];
} failed_message;

/* 1. What the profile asks for; 2. where the channel will stand; 3. confined before any foreign code. */
static wy_status confine(wy_zygote_state *zygote, wy_error *error) {
    struct sock_fprog zygote_filter;
    wy_status status =
        wy_zygote_config_read(WY_ZYGOTE_FD_CONFIG, &zygote->config, &zygote->sandbox.filter, &zygote_filter, error);
    (void)close(WY_ZYGOTE_FD_CONFIG);
    if (status == WY_OK) {
        zygote->sandbox.files = (int)zygote->config.files;
        zygote->sandbox.overlay = (int)zygote->config.overlay;
        zygote->sandbox.open_files = zygote->config.open_files;
        zygote->sandbox.file_bytes = zygote->config.file_bytes;
        zygote->sandbox.landlock_abi = wy_landlock_abi();
        zygote->sandbox.network = zygote->config.network;
        zygote->sandbox.network_channel = -1;
        zygote->sandbox.space = -1;
        const int kept[] = {0, 1, 2, WY_WORKER_FD_DOORBELL, WY_WORKER_FD_BOOT};
        memcpy(zygote->sandbox.kept, kept, sizeof kept);
        zygote->sandbox.kept_count = sizeof kept / sizeof kept[0];
        status = wy_channel_reserve(error);
    }
    if (status == WY_OK) {
        status = wy_zygote_confine(wy_network_is_own(zygote->config.network), (int)zygote->config.overlay, error);
    }
    if (status == WY_OK) {
        status = wy_filter_apply(&zygote_filter, error);
    }
    return status;
}

/* 4. The spawner has put us into our group. Returns 0 when it is gone. */
static int wait_for_load(void) {
    wy_zygote_header message;
    ssize_t got = 0;
    do {
        got = recv(WY_ZYGOTE_FD_CONTROL, &message, sizeof message, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof message && message.type == ZY_LOAD;
}

/* 6. Without files, or with a root of the profile's own, nothing of the host's libraries stays reachable. */
static wy_status seal(const wy_zygote_state *zygote, wy_error *error) {
    if (zygote->config.overlay) {
        return WY_OK; /* the workers leave it, each for its own */
    }
    if (zygote->config.own_root) {
        return wy_root_enter_own(error);
    }
    if (zygote->sandbox.files) {
        return WY_OK;
    }
    wy_status status = wy_root_empty(error);
    return status == WY_OK ? wy_landlock_enter(zygote->sandbox.landlock_abi, 0, 0, error) : status;
}

static wy_status list_functions(const wy_image *image, wy_error *error) {
    ready.function_count = image == NULL ? 0 : wy_image_function_count(image);
    for (uint32_t i = 0; i < ready.function_count; i++) {
        const char *name = wy_image_function_name(image, i);
        size_t length = strlen(name) + 1;
        if (length > sizeof ready.names - ready.names_bytes) {
            return wy_fail(error, WY_TOO_BIG, 0, "load", "the names of the functions are over %zu bytes",
                           sizeof ready.names);
        }
        memcpy(ready.names + ready.names_bytes, name, length);
        ready.names_bytes += (uint32_t)length;
    }
    return WY_OK;
}

static uint32_t ready_bytes(void) {
    return (uint32_t)(sizeof ready - sizeof ready.names) + ready.names_bytes;
}

static int tell_ready(void) {
    return send(WY_ZYGOTE_FD_CONTROL, &ready, ready_bytes(), MSG_NOSIGNAL) == (ssize_t)ready_bytes() ? 0 : 1;
}

static failed_message failed;

static int tell_failure(const wy_error *error) {
    size_t bytes = sizeof failed - sizeof failed.detail + strnlen(failed.detail, sizeof failed.detail);
    failed.header = (wy_zygote_header){.type = ZY_FAILED, .length = (uint32_t)bytes};
    failed.error = *error;
    (void)send(WY_ZYGOTE_FD_CONTROL, &failed, bytes, MSG_NOSIGNAL);
    return 1;
}

int main(void) {
    static wy_zygote_state zygote;
    wy_error error;
    memset(&error, 0, sizeof error);
    (void)prctl(PR_SET_NAME, "wayang-zygote", 0, 0, 0);
    /* A worker comes up as one, not before everybody until the spawner has weighed it. Here, as no filter of ours lets it through, and
     * once workers may be made nothing of the image may change, not even errno. */
    wy_weigh_alone();

    wy_status status = confine(&zygote, &error);
    if (status != WY_OK) {
        return tell_failure(&error);
    }
    if (!wait_for_load()) {
        return 0;
    }
    /* 5. Foreign code. */
    if (zygote.config.image_kind != WY_IMAGE_COMMAND) {
        status = wy_zygote_load(&zygote, failed.detail, &error);
    }
    if (status == WY_OK) {
        status = seal(&zygote, &error);
    }
    if (status == WY_OK) {
        status = list_functions(zygote.image, &error);
    }
    if (status == WY_OK && zygote.config.migratable) {
        status = wy_zygote_apart(&error);
    }
    if (status != WY_OK) {
        return tell_failure(&error);
    }
    /* 7. Sealed: from here on this process only forks. */
    ready.header = (wy_zygote_header){.type = ZY_READY, .length = ready_bytes()};
    zygote.thread_id = wy_thread_id_place();
    if (zygote.config.migratable) {
        return wy_zygote_serve_apart(&zygote, tell_ready);
    }
    return tell_ready() != 0 ? 1 : wy_zygote_serve(&zygote);
}
