#include "spawner/message.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "sandbox/profile.h"
#include "spawner/descriptor.h"

typedef struct shape {
    uint16_t type;
    uint16_t fds_least, fds_most;
    uint32_t body_bytes;
    const char *name;
    uint32_t tail_most; /* bytes that may follow the body */
} shape;

static const shape shapes[] = {
    {WY_MSG_HELLO, 0, 0, sizeof(wy_msg_hello), "HELLO", 0},
    {WY_MSG_IMAGE_OPEN, 0, 1, sizeof(wy_msg_image_open), "IMAGE_OPEN", 0},
    {WY_MSG_IMAGE_CLOSE, 0, 0, sizeof(wy_msg_image_ref), "IMAGE_CLOSE", 0},
    {WY_MSG_WORKER_START, 3, 3, sizeof(wy_msg_worker_start), "WORKER_START", 0},
    {WY_MSG_COMMAND_START, 4, 6, sizeof(wy_msg_worker_start), "COMMAND_START", 0},
    {WY_MSG_WORKER_SIGNAL, 0, 0, sizeof(wy_msg_worker_signal), "WORKER_SIGNAL", 0},
    {WY_MSG_WORKER_CLASS, 0, 0, sizeof(wy_msg_worker_class), "WORKER_CLASS", 0},
    {WY_MSG_WORKER_FREEZE, 0, 0, sizeof(wy_msg_worker_freeze), "WORKER_FREEZE", 0},
    {WY_MSG_PROFILE_DEFINE, 0, 0, sizeof(wy_msg_profile_define), "PROFILE_DEFINE", WY_MSG_MAX_BYTES},
    {WY_MSG_WORKER_NETWORK, 1, 1, sizeof(wy_msg_worker_ref), "WORKER_NETWORK", 0},
    {WY_MSG_WORKER_CAPTURE, 1, 2, sizeof(wy_msg_worker_capture), "WORKER_CAPTURE", 0},
    {WY_MSG_WORKER_RESTORE, 4, 4, sizeof(wy_msg_worker_start), "WORKER_RESTORE", 0},
    {WY_MSG_WORKER_GO, 0, 0, sizeof(wy_msg_worker_ref), "WORKER_GO", 0},
    {WY_MSG_USAGE, 0, 0, sizeof(wy_msg_usage), "USAGE", 0},
    {WY_MSG_SCAN, 0, 0, sizeof(wy_msg_scan), "SCAN", 0},
};

static const shape *find_shape(uint16_t type) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (shapes[i].type == type) {
            return &shapes[i];
        }
    }
    return NULL;
}

/* [A-Za-z0-9._-]+, not beginning with a dot, terminated inside the field and zero after that: so a name can stand in a
 * path, a title or a log line without further thought, and two equal names are equal bytes. */
static int name_is_good(const char field[WY_NAME_BYTES]) {
    size_t length = strnlen(field, WY_NAME_BYTES);
    if (length == 0 || length == WY_NAME_BYTES || field[0] == '.') {
        return 0;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)field[i];
        if (!isalnum(c) && c != '.' && c != '_' && c != '-') {
            return 0;
        }
    }
    for (size_t i = length; i < WY_NAME_BYTES; i++) {
        if (field[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static wy_status check_image_open(const wy_msg_image_open *m, const wy_datagram *d, wy_error *error) {
    if (m->image_id == 0 || (m->flags & ~WY_IMAGE_MIGRATABLE) != 0) {
        return wy_fail(error, WY_INVALID, 0, "IMAGE_OPEN", "the id is 0 or a flag is unknown");
    }
    if (m->kind != WY_IMAGE_COMMAND && m->kind != WY_IMAGE_C_PLUGIN && m->kind != WY_IMAGE_PYTHON) {
        return wy_fail(error, WY_INVALID, 0, "IMAGE_OPEN", "image kind %u is unknown", m->kind);
    }
    int wanted = m->kind == WY_IMAGE_COMMAND ? 0 : 1;
    if (d->fd_count != wanted) {
        return wy_fail(error, WY_INVALID, 0, "IMAGE_OPEN", "%d descriptors came, this kind takes %d", d->fd_count, wanted);
    }
    if (!name_is_good(m->profile) || !name_is_good(m->name)) {
        return wy_fail(error, WY_INVALID, 0, "IMAGE_OPEN",
                       "profile or name is not [A-Za-z0-9._-]{1,63} (no leading dot), padded with zeros");
    }
    return wanted ? wy_check_sealed_memory(d->fds[0], WY_SOURCE_MAX_BYTES, "source", error) : WY_OK;
}

static bool is_rate(uint64_t value, uint64_t least, uint64_t most) {
    return value == 0 || (value >= least && value <= most);
}

static wy_status check_rates(const wy_io_rates *io, const char *where, wy_error *error) {
    return is_rate(io->read_bytes, WY_LEAST_IO_BYTES, WY_MOST_IO_BYTES) && is_rate(io->write_bytes, WY_LEAST_IO_BYTES, WY_MOST_IO_BYTES) &&
                   is_rate(io->read_ops, WY_LEAST_IO_OPS, WY_MOST_IO_OPS) && is_rate(io->write_ops, WY_LEAST_IO_OPS, WY_MOST_IO_OPS)
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, where, "a rate of disk I/O is not 0, or %llu to %llu bytes, or %u to %u operations a second",
                         (unsigned long long)WY_LEAST_IO_BYTES, (unsigned long long)WY_MOST_IO_BYTES, WY_LEAST_IO_OPS, WY_MOST_IO_OPS);
}

static wy_status check_worker_start(const wy_msg_worker_start *m, int command, const wy_datagram *d, wy_error *error) {
    const char *where = command ? "COMMAND_START" : "WORKER_START";
    if (m->worker_id == 0 || m->image_id == 0) {
        return wy_fail(error, WY_INVALID, 0, where, "worker or image id is 0");
    }
    if (m->nice_class > 3) {
        return wy_fail(error, WY_INVALID, 0, where, "nice class %u is unknown", m->nice_class);
    }
    if (m->cpu_milli != 0 && (m->cpu_milli < WY_LEAST_CPU_MILLI || m->cpu_milli > WY_MOST_CPU_MILLI)) {
        return wy_fail(error, WY_INVALID, 0, where, "cpu_milli %u is not 0 or %u to %u", m->cpu_milli, WY_LEAST_CPU_MILLI,
                       WY_MOST_CPU_MILLI);
    }
    if (check_rates(&m->io, where, error) != WY_OK) {
        return error->status;
    }
    if (!command) {
        wy_status status = wy_check_channel_memory(d->fds[0], "D", error);
        if (status == WY_OK) {
            status = wy_check_channel_memory(d->fds[1], "W", error);
        }
        return status != WY_OK ? status : wy_check_eventfd(d->fds[2], "doorbell", error);
    }
    wy_status status = wy_check_sealed_memory(d->fds[0], WY_ARGUMENTS_MAX_BYTES, "arguments", error);
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    for (int i = 0; i < 3 && status == WY_OK; i++) {
        status = wy_check_stream(d->fds[i + 1], streams[i], error);
    }
    if (status != WY_OK || d->fd_count == 4) {
        return status;
    }
    if (d->fd_count != 6) {
        return wy_fail(error, WY_INVALID, 0, where, "%d descriptors came; a command takes 4, or 6 with files", d->fd_count);
    }
    status = wy_check_sealed_memory(d->fds[4], WY_STAGE_MAX_BYTES, "stage", error);
    return status != WY_OK ? status : wy_check_stream(d->fds[5], "artifacts", error);
}

static wy_status check_signal(const wy_msg_worker_signal *m, wy_error *error) {
    if (m->worker_id == 0 || m->reserved != 0) {
        return wy_fail(error, WY_INVALID, 0, "WORKER_SIGNAL", "the id is 0 or a reserved field is not");
    }
    switch (m->signal) {
    case SIGKILL:
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
    case SIGUSR1:
    case SIGUSR2:
    case SIGSTOP:
    case SIGCONT:
        return WY_OK;
    default:
        return wy_fail(error, WY_DENIED, 0, "WORKER_SIGNAL", "signal %d is not one that may be sent", m->signal);
    }
}

static wy_status check_class(const wy_msg_worker_class *m, wy_error *error) {
    return m->worker_id != 0 && m->reserved == 0 && m->nice_class <= 3
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, "WORKER_CLASS", "the id is 0, a reserved field is not, or nice class %u is unknown",
                         m->nice_class);
}

static wy_status check_freeze(const wy_msg_worker_freeze *m, wy_error *error) {
    return m->worker_id != 0 && m->reserved == 0 && m->freeze <= 1
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, "WORKER_FREEZE", "the id is 0, a reserved field is not, or %u is neither 0 nor 1", m->freeze);
}

#define WY_MANIFEST_MAX_BYTES (80u * 1024u * 1024u)

static wy_status check_capture(const wy_msg_worker_capture *m, const wy_datagram *d, wy_error *error) {
    if (m->worker_id == 0 || m->reserved != 0 || (m->flags & ~(WY_CAPTURE_WHOLE | WY_CAPTURE_MANIFEST | WY_CAPTURE_LIVE)) != 0 ||
        ((m->flags & WY_CAPTURE_MANIFEST) != 0 && m->flags != WY_CAPTURE_MANIFEST) ||
        (d->fd_count == 2 && (m->flags & ~WY_CAPTURE_LIVE) != 0)) {
        return wy_fail(error, WY_INVALID, 0, "WORKER_CAPTURE", "the id is 0, a reserved field is not, or the flags make no sense");
    }
    wy_status status = wy_check_stream(d->fds[0], "stream", error);
    return status != WY_OK || d->fd_count == 1 ? status : wy_check_sealed_memory(d->fds[1], WY_MANIFEST_MAX_BYTES, "manifest", error);
}

static wy_status check_restore(const wy_msg_worker_start *m, const wy_datagram *d, wy_error *error) {
    wy_status status = check_worker_start(m, 0, d, error);
    return status == WY_OK ? wy_check_stream(d->fds[3], "stream", error) : status;
}

static wy_status check_profile_define(const wy_msg_profile_define *m, const wy_request *request, wy_error *error) {
    if (!name_is_good(m->name) || !name_is_good(m->base)) {
        return wy_fail(error, WY_INVALID, 0, "PROFILE_DEFINE", "a name is not [A-Za-z0-9._-]{1,63} (no leading dot), padded with zeros");
    }
    if (m->root[0] != '\0' && !name_is_good(m->root)) {
        return wy_fail(error, WY_INVALID, 0, "PROFILE_DEFINE", "the root's name is not [A-Za-z0-9._-]{1,63} (no leading dot), padded with zeros");
    }
    if (m->path_count + (uint64_t)m->denied_count > WY_DERIVE_MAX_NAMES || m->no_files_written > 1 || m->overlay > 1 || m->runtime > WY_RUNTIME_RUNSC) {
        return wy_fail(error, WY_INVALID, 0, "PROFILE_DEFINE", "over %u paths and calls, or a flag or runtime that is none", WY_DERIVE_MAX_NAMES);
    }
    size_t texts = 0;
    for (size_t i = 0; i < request->tail_bytes; i++) {
        texts += request->tail[i] == '\0';
    }
    return texts == m->path_count + m->denied_count && (request->tail_bytes == 0 || request->tail[request->tail_bytes - 1] == '\0')
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, "PROFILE_DEFINE", "the tail does not hold as many texts as the counts say");
}

static wy_status check_body(wy_request *out, const wy_datagram *datagram, wy_error *error) {
    switch (out->type) {
    case WY_MSG_HELLO:
        if (out->body.hello.abi != WY_MSG_VERSION || out->body.hello.reserved != 0) {
            return wy_fail(error, WY_UNSUPPORTED, 0, "HELLO", "ABI %u is not %u", out->body.hello.abi, WY_MSG_VERSION);
        }
        return WY_OK;
    case WY_MSG_IMAGE_OPEN:
        out->id = out->body.image_open.image_id;
        return check_image_open(&out->body.image_open, datagram, error);
    case WY_MSG_IMAGE_CLOSE:
        out->id = out->body.image_ref.image_id;
        return out->id != 0 ? WY_OK : wy_fail(error, WY_INVALID, 0, "IMAGE_CLOSE", "the id is 0");
    case WY_MSG_WORKER_START:
    case WY_MSG_COMMAND_START:
        out->id = out->body.worker_start.worker_id;
        return check_worker_start(&out->body.worker_start, out->type == WY_MSG_COMMAND_START, datagram, error);
    case WY_MSG_WORKER_SIGNAL:
        out->id = out->body.worker_signal.worker_id;
        return check_signal(&out->body.worker_signal, error);
    case WY_MSG_WORKER_CLASS:
        out->id = out->body.worker_class.worker_id;
        return check_class(&out->body.worker_class, error);
    case WY_MSG_WORKER_FREEZE:
        out->id = out->body.worker_freeze.worker_id;
        return check_freeze(&out->body.worker_freeze, error);
    case WY_MSG_SCAN:
        return out->body.scan.flags == 0 && out->body.scan.reserved == 0
                   ? WY_OK
                   : wy_fail(error, WY_INVALID, 0, "SCAN", "flags or a reserved field are not 0");
    case WY_MSG_USAGE:
        return out->body.usage.reserved == 0 ? WY_OK : wy_fail(error, WY_INVALID, 0, "USAGE", "a reserved field is not 0");
    case WY_MSG_PROFILE_DEFINE:
        return check_profile_define(&out->body.profile_define, out, error);
    case WY_MSG_WORKER_CAPTURE:
        out->id = out->body.worker_capture.worker_id;
        return check_capture(&out->body.worker_capture, datagram, error);
    case WY_MSG_WORKER_RESTORE:
        out->id = out->body.worker_start.worker_id;
        return check_restore(&out->body.worker_start, datagram, error);
    case WY_MSG_WORKER_GO:
        out->id = out->body.worker_ref.worker_id;
        return out->id != 0 ? WY_OK : wy_fail(error, WY_INVALID, 0, "WORKER_GO", "the id is 0");
    case WY_MSG_WORKER_NETWORK:
        out->id = out->body.worker_ref.worker_id;
        return out->id == 0 ? wy_fail(error, WY_INVALID, 0, "WORKER_NETWORK", "the id is 0")
                            : wy_check_packet_socket(datagram->fds[0], "channel", error);
    default:
        return wy_fail(error, WY_INVALID, 0, "header", "type %u is unknown", (unsigned)out->type);
    }
}

wy_status wy_message_parse(const uint8_t *bytes, const wy_datagram *datagram, wy_request *out, wy_error *error) {
    wy_msg_header header;
    memset(out, 0, sizeof *out);
    if (datagram->length < sizeof header || datagram->truncated) {
        return wy_fail(error, WY_INVALID, 0, "header", "%zu bytes%s: not a message", datagram->length,
                       datagram->truncated ? " and more that did not fit" : "");
    }
    memcpy(&header, bytes, sizeof header);
    if (header.magic != WY_MSG_MAGIC || header.version != WY_MSG_VERSION) {
        return wy_fail(error, WY_INVALID, 0, "header", "magic 0x%x version %u are not ours", header.magic, header.version);
    }
    out->request_id = header.request_id;
    const shape *s = find_shape(header.type);
    if (s == NULL) {
        return wy_fail(error, WY_INVALID, 0, "header", "type %u is unknown", header.type);
    }
    if (header.length != datagram->length || header.length < sizeof header + s->body_bytes ||
        header.length > sizeof header + s->body_bytes + s->tail_most) {
        return wy_fail(error, WY_INVALID, 0, s->name, "length says %u, %zu bytes came, it takes %zu", header.length,
                       datagram->length, sizeof header + s->body_bytes);
    }
    if (header.fds != (uint32_t)datagram->fd_count || header.fds < s->fds_least || header.fds > s->fds_most) {
        return wy_fail(error, WY_INVALID, 0, s->name, "header says %u descriptors, %d came, it takes %u to %u", header.fds,
                       datagram->fd_count, s->fds_least, s->fds_most);
    }
    out->type = (wy_msg_type)header.type;
    memcpy(&out->body, bytes + sizeof header, s->body_bytes);
    out->tail = (const char *)bytes + sizeof header + s->body_bytes;
    out->tail_bytes = header.length - sizeof header - s->body_bytes;
    return check_body(out, datagram, error);
}
