/* What the daemon said, judged. Nothing here changes anything: a message is either taken whole or refused with a reason. */
#ifndef WAYANG_SPAWNER_MESSAGE_H
#define WAYANG_SPAWNER_MESSAGE_H

#include "base/status.h"
#include "spawner/protocol.h"
#include "spawner/wire.h"

typedef struct wy_request {
    uint64_t request_id; /* 0 where not even the header could be read */
    uint64_t id;         /* image or worker that it speaks of, for the refusal */
    wy_msg_type type;
    union {
        wy_msg_hello hello;
        wy_msg_image_open image_open;
        wy_msg_image_ref image_ref;
        wy_msg_worker_start worker_start;
        wy_msg_worker_signal worker_signal;
        wy_msg_worker_class worker_class;
        wy_msg_scan scan;
        wy_msg_usage usage;
        wy_msg_worker_ref worker_ref;
        wy_msg_worker_capture worker_capture;
        wy_msg_profile_define profile_define;
    } body;
    const char *tail; /* behind the body, in the receiver's copy; only PROFILE_DEFINE has one */
    size_t tail_bytes;
} wy_request;

/* Checks magic, version, type, exact length, number and nature of the descriptors, ids, enums, strings. `bytes` is the
 * receiver's private copy. On refusal `error` holds the sentence; `out` what could be read of the ids. */
wy_status wy_message_parse(const uint8_t *bytes, const wy_datagram *datagram, wy_request *out, wy_error *error);

#endif
