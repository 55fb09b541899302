#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/futex.h"
#include "channel/memory.h"
#include "interop/interop.h"

uint32_t wayang_abi(void) {
    return WAYANG_ABI;
}

static const struct {
    const char *name;
    unsigned long long value;
} layout_rows[] = {
    {"Magic", WY_CHANNEL_MAGIC},
    {"Version", WY_CHANNEL_VERSION},
    {"HeaderBytes", WY_CHANNEL_HEADER_BYTES},
    {"SlotBytes", sizeof(wy_slot)},
    {"SlotStride", sizeof(wy_ring_slot)},
    {"InlineBytes", WY_CHANNEL_INLINE_BYTES},
    {"InlineReference", WY_CHANNEL_INLINE_REFERENCE},
    {"MinSlots", WY_CHANNEL_MIN_SLOTS},
    {"MaxSlots", WY_CHANNEL_MAX_SLOTS},
    {"MaxInFlight", WY_CHANNEL_MAX_IN_FLIGHT},
    {"MaxArenaBytes", WY_CHANNEL_MAX_ARENA_BYTES},
    {"HeadBatch", WY_CHANNEL_HEAD_BATCH},
    {"MaxChunkBytes", WY_CHANNEL_MAX_CHUNK_BYTES},
    {"OffsetMagic", offsetof(wy_channel_header, magic)},
    {"OffsetHead", offsetof(wy_channel_header, head)},
    {"OffsetSleeping", offsetof(wy_channel_header, sleeping)},
    {"OffsetWantsSpace", offsetof(wy_channel_header, wants_space)},
    {"OffsetDoorbell", offsetof(wy_channel_header, doorbell)},
    {"OffsetCancelled", offsetof(wy_channel_header, cancelled)},
    {"OffsetSaveWanted", offsetof(wy_channel_header, save_wanted)},
    {"OffsetStateBytes", offsetof(wy_channel_header, state_bytes)},
    {"OffsetFacts", offsetof(wy_channel_header, facts)},
    {"FactsBytes", sizeof(wy_call_facts)},
    {"MaxFacts", WY_CHANNEL_MAX_FACTS},
    {"OffsetMeasures", offsetof(wy_channel_header, measures)},
    {"OffsetCosts", offsetof(wy_channel_header, costs)},
    {"CostBytes", sizeof(wy_call_cost)},
    {"KindCall", WY_SLOT_CALL},
    {"KindStop", WY_SLOT_STOP},
    {"KindState", WY_SLOT_STATE},
    {"KindReady", WY_SLOT_READY},
    {"KindOutput", WY_SLOT_OUTPUT},
    {"KindError", WY_SLOT_ERROR},
    {"KindLog", WY_SLOT_LOG},
    {"KindProgress", WY_SLOT_PROGRESS},
    {"KindSaved", WY_SLOT_SAVED},
    {"KindYielded", WY_SLOT_YIELDED},
    {"ProgressUnknown", WY_PROGRESS_UNKNOWN},
    {"ProgressTextBytes", WY_PROGRESS_TEXT_BYTES},
    {"MaxErrorBytes", WY_ERROR_MAX_BYTES},
    {"FlagFirst", WY_SLOT_FIRST},
    {"FlagLast", WY_SLOT_LAST},
    {"KindMask", WY_SLOT_KIND_MASK},
    {"LogStdout", WY_LOG_STDOUT},
    {"LogStderr", WY_LOG_STDERR},
    {"LogDebug", WY_LOG_DEBUG},
    {"LogInfo", WY_LOG_INFO},
    {"LogWarning", WY_LOG_WARNING},
    {"LogError", WY_LOG_ERROR},
    {"slot.sequence", offsetof(wy_slot, sequence)},
    {"slot.ticket", offsetof(wy_slot, ticket)},
    {"slot.function", offsetof(wy_slot, function)},
    {"slot.kind", offsetof(wy_slot, kind)},
    {"slot.length", offsetof(wy_slot, length)},
    {"slot.payload", offsetof(wy_slot, payload)},
    {"slot.reference.length", offsetof(wy_slot, payload) + offsetof(wy_reference, length)},
    {"slot.reference.total", offsetof(wy_slot, payload) + offsetof(wy_reference, total)},
    {"facts.task_high", offsetof(wy_call_facts, task_high)},
    {"facts.task_low", offsetof(wy_call_facts, task_low)},
    {"facts.deadline", offsetof(wy_call_facts, deadline_ns)},
    {"facts.ticket", offsetof(wy_call_facts, ticket)},
    {"facts.attempt", offsetof(wy_call_facts, attempt)},
    {"cost.ticket", offsetof(wy_call_cost, ticket)},
    {"sizeof.error", sizeof(wayang_error)},
    {"sizeof.geometry", sizeof(wayang_geometry)},
    {"sizeof.channel", sizeof(wayang_channel)},
    {"sizeof.poll_event", sizeof(wayang_poll_event)},
};

int32_t wayang_layout(char *buffer, int32_t capacity) {
    int32_t used = 0;
    for (size_t i = 0; i < sizeof(layout_rows) / sizeof(layout_rows[0]); i++) {
        int written = snprintf(buffer + used, (size_t)(capacity - used), "%s=%llu\n", layout_rows[i].name, layout_rows[i].value);
        if (written < 0 || written >= capacity - used) {
            return used;
        }
        used += written;
    }
    return used;
}

int32_t wayang_channel_create(const wayang_geometry *geometry, wayang_channel *channel, wayang_error *error) {
    memset(channel, 0, sizeof(*channel));
    channel->d_fd = channel->w_fd = channel->doorbell_fd = -1;
    wy_geometry wanted = {
        .request_slots = geometry->request_slots,
        .request_arena_bytes = geometry->request_arena_bytes,
        .completion_slots = geometry->completion_slots,
        .completion_arena_bytes = geometry->completion_arena_bytes,
        .worker_spin = geometry->worker_spin,
        .max_payload = geometry->max_payload,
        .epoch = geometry->epoch,
    };
    wy_channel_memory memory;
    wy_status status = wy_channel_create(&wanted, &memory, wy_error_of(error));
    if (status == WY_OK) {
        channel->d = memory.d;
        channel->w = (void *)(uintptr_t)memory.w;
        channel->d_bytes = memory.d_bytes;
        channel->w_bytes = memory.w_bytes;
        channel->d_fd = memory.d_fd;
        channel->w_fd = memory.w_fd;
        channel->doorbell_fd = memory.doorbell_fd;
    }
    return (int32_t)status;
}

void wayang_channel_unmap(wayang_channel *channel) {
    wy_channel_memory memory = {
        .d = channel->d,
        .w = channel->w,
        .d_bytes = channel->d_bytes,
        .w_bytes = channel->w_bytes,
        .d_fd = -1,
        .w_fd = -1,
        .doorbell_fd = -1,
    };
    wy_channel_destroy(&memory);
    channel->d = NULL;
    channel->w = NULL;
}

int32_t wayang_futex_wake(const uint32_t *word, int32_t count) {
    return wy_futex_wake(word, count);
}

int32_t wayang_futex_wait(const uint32_t *word, uint32_t expected, int32_t timeout_ms) {
    return (int32_t)wy_futex_wait(word, expected, timeout_ms);
}

int32_t wayang_eventfd(int32_t *fd, wayang_error *error) {
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ? WY_OK : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "eventfd", "cannot create a signal");
}
