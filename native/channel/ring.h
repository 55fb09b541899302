/* One ring of a channel, as its producer and as its consumer see it.
 *
 * Single producer, single consumer; both wait-free; FIFO. Full and empty are statuses. A slot that was claimed but not
 * committed is invisible to the consumer, so a producer that dies between the two blocks nobody and there is no `unblock`:
 * the daemon drains what was committed and makes a new channel for the next worker. All positions and the arena's
 * accounting are private; the peer's words are read once each and checked. */
#ifndef WAYANG_CHANNEL_RING_H
#define WAYANG_CHANNEL_RING_H

#include "base/status.h"
#include "channel/layout.h"

typedef struct wy_writer {
    wy_ring_slot *ring;
    uint8_t *arena;
    const uint64_t *peer_head; /* in the consumer's file */
    uint64_t *arena_end;       /* [slots], private: arena position right after each slot's payload */
    uint64_t slots, mask, arena_bytes;
    uint64_t tail, head;
    uint64_t arena_tail, arena_head, arena_lap;
    uint32_t chunk_limit;
} wy_writer;

/* A slot on its way: fill `payload`, then commit; or forget it, which is all that an abort takes. */
typedef struct wy_claim {
    wy_slot *slot;
    uint8_t *payload;
    uint32_t length;
    uint32_t offset;
    uint64_t arena_tail, arena_head, arena_lap;
} wy_claim;

typedef struct wy_reader {
    const wy_ring_slot *ring;
    const uint8_t *arena;
    uint64_t *own_head; /* in our own file */
    uint64_t slots, mask, arena_bytes;
    uint64_t position, published;
    uint64_t arena_read; /* bytes read from the arena since the head was published */
} wy_reader;

/* `file` is the writer's own file, `arena_end` room for `file->slots` numbers. */
void wy_writer_init(wy_writer *writer, wy_channel_header *file, const wy_channel_header *peer, uint64_t *arena_end);

/* Room for `length` bytes in the next slot: inline when whole and small, else in the arena. WY_FULL; WY_TOO_BIG above
 * chunk_limit; WY_CORRUPT: the consumer's head is impossible. */
wy_status wy_writer_claim(wy_writer *writer, uint32_t length, int whole, wy_claim *claim);

/* Asks for the next slot's line ahead of its claim: the consumer has it, as a rule. */
void wy_writer_prepare(const wy_writer *writer);

/* Publishes the claim. `kind` with its FIRST and LAST flags; `total` bytes of the whole payload. */
void wy_writer_commit(wy_writer *writer, const wy_claim *claim, uint32_t ticket, uint16_t function, uint8_t kind,
                      uint64_t total);

/* `peer` is the producer's file; `file` our own, where our head stands. */
void wy_reader_init(wy_reader *reader, const wy_channel_header *peer, wy_channel_header *file);

/* Copies the next slot, once, and validates the copy's lengths and bounds. WY_EMPTY, WY_CORRUPT. */
wy_status wy_reader_read(const wy_reader *reader, wy_slot *copy);

/* 1 when wy_reader_read would not say WY_EMPTY. */
int wy_reader_ready(const wy_reader *reader);

/* Bytes of a validated copy: inside `copy` or in the arena, where they stay until the head is published. */
const uint8_t *wy_reader_payload(const wy_reader *reader, const wy_slot *copy, uint32_t *length, uint64_t *total);

/* Done with the slot of `copy`. */
void wy_reader_advance(wy_reader *reader, const wy_slot *copy);

/* Gives the space of all that was advanced over back to the producer. */
void wy_reader_publish_head(wy_reader *reader);

#endif
