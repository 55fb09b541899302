#include "channel/ring.h"

#include <string.h>

#include "base/atomics.h"

static uint32_t chunk_limit(uint64_t arena_bytes) {
    return arena_bytes / 4 < WY_CHANNEL_MAX_CHUNK_BYTES ? (uint32_t)(arena_bytes / 4) : WY_CHANNEL_MAX_CHUNK_BYTES;
}

void wy_writer_init(wy_writer *writer, wy_channel_header *file, const wy_channel_header *peer, uint64_t *arena_end) {
    memset(writer, 0, sizeof(*writer));
    uint8_t *base = (uint8_t *)file;
    writer->slots = file->slots;
    writer->mask = writer->slots - 1;
    writer->arena_bytes = file->arena_bytes;
    writer->chunk_limit = chunk_limit(writer->arena_bytes);
    writer->ring = (wy_ring_slot *)(void *)(base + WY_CHANNEL_HEADER_BYTES);
    writer->arena = base + WY_CHANNEL_HEADER_BYTES + WY_CHANNEL_RING_BYTES(writer->slots);
    writer->peer_head = &peer->head;
    writer->arena_end = arena_end;
    memset(arena_end, 0, writer->slots * sizeof(uint64_t));
}

static wy_status writer_refresh(wy_writer *writer) {
    /* SYNC POINT: partner is the consumer's release store of its head (wy_reader_publish_head): its copies are done. */
    uint64_t head = wy_acquire64(writer->peer_head);
    if (head - writer->head > writer->tail - writer->head) {
        return WY_CORRUPT;
    }
    if (head != writer->head) {
        uint64_t end = writer->arena_end[(head - 1) & writer->mask];
        writer->head = head;
        writer->arena_head = end > writer->arena_head ? end : writer->arena_head;
    }
    return WY_OK;
}

/* FIFO bump allocation: positions only grow, a block never wraps, the rest of a lap is skipped. */
static wy_status allocate(const wy_writer *writer, uint32_t length, wy_claim *claim) {
    uint64_t position = writer->arena_tail;
    uint64_t lap = writer->arena_lap;
    int unused = writer->arena_head == position;
    if (position - lap + length > writer->arena_bytes || (unused && position != lap)) {
        lap += writer->arena_bytes; /* also when nothing is in use: the front is warm in both caches */
        position = lap;
    }
    uint64_t end = (position + length + (WY_CACHE_LINE - 1)) & ~(uint64_t)(WY_CACHE_LINE - 1);
    uint64_t head = unused ? position : writer->arena_head;
    if (end - head > writer->arena_bytes) {
        return WY_FULL;
    }
    claim->offset = (uint32_t)(position - lap);
    claim->arena_tail = end;
    claim->arena_head = head;
    claim->arena_lap = lap;
    return WY_OK;
}

wy_status wy_writer_claim(wy_writer *writer, uint32_t length, int whole, wy_claim *claim) {
    if (writer->tail - writer->head >= writer->slots) {
        wy_status status = writer_refresh(writer);
        if (status != WY_OK) {
            return status;
        }
        if (writer->tail - writer->head >= writer->slots) {
            return WY_FULL;
        }
    }
    claim->slot = &writer->ring[writer->tail & writer->mask].slot;
    claim->length = length;
    if (whole && length <= WY_CHANNEL_INLINE_BYTES) {
        claim->payload = claim->slot->payload.bytes;
        claim->arena_tail = writer->arena_tail;
        claim->arena_head = writer->arena_head;
        claim->arena_lap = writer->arena_lap;
        return WY_OK;
    }
    if (length > writer->chunk_limit || length == 0) {
        return WY_TOO_BIG;
    }
    wy_status status = allocate(writer, length, claim);
    if (status == WY_FULL) {
        status = writer_refresh(writer);
        status = status == WY_OK ? allocate(writer, length, claim) : status;
    }
    claim->payload = writer->arena + claim->offset;
    return status;
}

void wy_writer_prepare(const wy_writer *writer) {
    wy_prefetch_write(&writer->ring[writer->tail & writer->mask]);
}

void wy_writer_commit(wy_writer *writer, const wy_claim *claim, uint32_t ticket, uint16_t function, uint8_t kind,
                      uint64_t total) {
    wy_slot *slot = claim->slot;
    if (claim->payload == slot->payload.bytes) {
        slot->length = (uint8_t)claim->length;
    } else {
        slot->length = WY_CHANNEL_INLINE_REFERENCE;
        slot->payload.reference = (wy_reference){.offset = claim->offset, .length = claim->length, .total = total};
    }
    slot->ticket = ticket;
    slot->function = function;
    slot->kind = kind;
    writer->arena_tail = claim->arena_tail;
    writer->arena_head = claim->arena_head;
    writer->arena_lap = claim->arena_lap;
    writer->arena_end[writer->tail & writer->mask] = claim->arena_tail;
    writer->tail++;
    /* SYNC POINT: partner is the consumer's acquire load of `sequence` (wy_reader_read; CompletionReader.TryRead). */
    wy_release64(&slot->sequence, writer->tail);
}

void wy_reader_init(wy_reader *reader, const wy_channel_header *peer, wy_channel_header *file) {
    memset(reader, 0, sizeof(*reader));
    const uint8_t *base = (const uint8_t *)peer;
    reader->slots = peer->slots;
    reader->mask = reader->slots - 1;
    reader->arena_bytes = peer->arena_bytes;
    reader->ring = (const wy_ring_slot *)(const void *)(base + WY_CHANNEL_HEADER_BYTES);
    reader->arena = base + WY_CHANNEL_HEADER_BYTES + WY_CHANNEL_RING_BYTES(reader->slots);
    reader->own_head = &file->head;
}

static uint64_t empty_sequence(const wy_reader *reader) {
    return reader->position < reader->slots ? 0 : reader->position + 1 - reader->slots;
}

int wy_reader_ready(const wy_reader *reader) {
    return wy_acquire64(&reader->ring[reader->position & reader->mask].slot.sequence) != empty_sequence(reader);
}

wy_status wy_reader_read(const wy_reader *reader, wy_slot *copy) {
    const wy_slot *shared = &reader->ring[reader->position & reader->mask].slot;
    /* SYNC POINT: partner is the producer's release store of `sequence` (wy_writer_commit; RequestWriter.WriteSlot). */
    uint64_t sequence = wy_acquire64(&shared->sequence);
    if (sequence != reader->position + 1) {
        return sequence == empty_sequence(reader) ? WY_EMPTY : WY_CORRUPT;
    }
    /* The whole slot, from its start: what is loaded from the copy next then matches the stores that made it, which the
     * processor forwards without waiting for them to reach the cache. */
    memcpy(copy, shared, sizeof(*copy));
    copy->sequence = sequence;
    if (copy->length == WY_CHANNEL_INLINE_REFERENCE) {
        const wy_reference *reference = &copy->payload.reference;
        int valid = reference->length > 0 && reference->length <= WY_CHANNEL_MAX_CHUNK_BYTES &&
                    (uint64_t)reference->offset + reference->length <= reader->arena_bytes;
        return valid ? WY_OK : WY_CORRUPT;
    }
    return copy->length <= WY_CHANNEL_INLINE_BYTES ? WY_OK : WY_CORRUPT;
}

const uint8_t *wy_reader_payload(const wy_reader *reader, const wy_slot *copy, uint32_t *length, uint64_t *total) {
    if (copy->length == WY_CHANNEL_INLINE_REFERENCE) {
        *length = copy->payload.reference.length;
        *total = copy->payload.reference.total;
        return reader->arena + copy->payload.reference.offset;
    }
    *length = copy->length;
    *total = copy->length;
    return copy->payload.bytes;
}

void wy_reader_advance(wy_reader *reader, const wy_slot *copy) {
    reader->position++;
    reader->arena_read += copy->length == WY_CHANNEL_INLINE_REFERENCE ? copy->payload.reference.length : 0;
}

void wy_reader_publish_head(wy_reader *reader) {
    /* SYNC POINT: partner is the producer's acquire load of our head (writer_refresh; RequestWriter.RefreshHead). */
    wy_release64(reader->own_head, reader->position);
    reader->published = reader->position;
    reader->arena_read = 0;
}
