/* Deeds that no correct worker does: each must end its worker with sandbox_violation. */
#include <string.h>
#include <sys/mman.h>

#include "hostile.h"

#define WHOLE (WY_SLOT_FIRST | WY_SLOT_LAST)
#define REFERENCE WY_CHANNEL_INLINE_REFERENCE
#define SOME_BYTES 64u

static wy_slot inline_slot(const attack *a, uint8_t kind, uint8_t length) {
    wy_slot slot = {.ticket = a->ticket, .kind = kind, .length = length};
    return slot;
}

static wy_slot reference_slot(const attack *a, uint8_t kind, uint32_t offset, uint32_t length, uint64_t total) {
    wy_slot slot = {.ticket = a->ticket, .kind = kind, .length = REFERENCE};
    slot.payload.reference = (wy_reference){.offset = offset, .length = length, .total = total};
    return slot;
}

static void publish_inline(attack *a, uint8_t kind, uint8_t length) {
    wy_slot slot = inline_slot(a, kind, length);
    attack_publish(a, &slot);
}

static void publish_reference(attack *a, uint8_t kind, uint32_t offset, uint32_t length, uint64_t total) {
    wy_slot slot = reference_slot(a, kind, offset, length, total);
    attack_publish(a, &slot);
}

/* The sequence of the slot that is due becomes `value`. */
static void set_sequence(attack *a, uint64_t value) {
    __atomic_store_n(&a->ring[a->position & (a->slots - 1)].slot.sequence, value, __ATOMIC_RELEASE);
}

static void sequence_ahead(attack *a) {
    set_sequence(a, a->position + 2);
}
static void sequence_lap_ahead(attack *a) {
    set_sequence(a, a->position + 1 + a->slots);
}
static void sequence_all_ones(attack *a) {
    set_sequence(a, UINT64_MAX);
}
static void sequence_random(attack *a) {
    set_sequence(a, attack_random(a) | UINT64_C(1) << 63);
}
static void sequence_behind(attack *a) {
    set_sequence(a, a->position > a->slots ? a->position - a->slots : a->position + 7);
}

static void kind_zero(attack *a) {
    publish_inline(a, WHOLE, 0);
}
static void kind_request(attack *a) {
    publish_inline(a, WY_SLOT_CALL | WHOLE, 8);
}
static void kind_stop(attack *a) {
    publish_inline(a, WY_SLOT_STOP | WHOLE, 0);
}
static void kind_ready_again(attack *a) {
    wy_slot slot = {.ticket = 0, .kind = WY_SLOT_READY | WHOLE, .length = 0};
    attack_publish(a, &slot);
}
static void kind_unknown(attack *a) {
    publish_inline(a, (uint8_t)((23u + attack_random(a) % 41u) | WHOLE), 4);
}

static void flags_none(attack *a) {
    publish_inline(a, WY_SLOT_OUTPUT, 4);
}
static void flags_last_only(attack *a) {
    publish_inline(a, WY_SLOT_OUTPUT | WY_SLOT_LAST, 4);
}
static void flags_first_inline(attack *a) {
    publish_inline(a, WY_SLOT_OUTPUT | WY_SLOT_FIRST, 4);
}
static void log_chunked(attack *a) {
    publish_reference(a, WY_SLOT_LOG | WY_SLOT_FIRST, 0, SOME_BYTES, 2u * SOME_BYTES);
}
static void log_without_stream(attack *a) {
    publish_inline(a, WY_SLOT_LOG | WHOLE, 0);
}

static void progress_chunked(attack *a) {
    publish_reference(a, WY_SLOT_PROGRESS | WY_SLOT_FIRST, 0, SOME_BYTES, 2u * SOME_BYTES);
}
static void progress_without_percent(attack *a) {
    publish_inline(a, WY_SLOT_PROGRESS | WHOLE, 0);
}
static void progress_over_hundred(attack *a) {
    wy_slot slot = {.ticket = a->ticket, .kind = WY_SLOT_PROGRESS | WHOLE, .length = 4};
    slot.payload.bytes[0] = (uint8_t)(101u + attack_random(a) % 154u);
    attack_publish(a, &slot);
}
static void progress_too_long(attack *a) {
    a->arena[0] = 50;
    publish_reference(a, WY_SLOT_PROGRESS | WHOLE, 0, WY_PROGRESS_TEXT_BYTES + 2u, WY_PROGRESS_TEXT_BYTES + 2u);
}

static void state_over_bound(attack *a) {
    publish_reference(a, WY_SLOT_SAVED | WY_SLOT_FIRST, 0, SOME_BYTES, a->state_bytes + UINT64_C(1));
}
static void state_in_output(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_FIRST, 0, SOME_BYTES, 2u * SOME_BYTES);
    publish_reference(a, WY_SLOT_SAVED | WHOLE, 0, SOME_BYTES, SOME_BYTES);
}
static void state_too_much(attack *a) {
    publish_reference(a, WY_SLOT_SAVED | WY_SLOT_FIRST, 0, SOME_BYTES, 2u * SOME_BYTES);
    publish_reference(a, WY_SLOT_SAVED | WY_SLOT_LAST, 0, 2u * SOME_BYTES, 2u * SOME_BYTES);
}
static void yield_with_payload(attack *a) {
    publish_inline(a, WY_SLOT_YIELDED | WHOLE, 4);
}

static void inline_too_long(attack *a) {
    publish_inline(a, WY_SLOT_OUTPUT | WHOLE, (uint8_t)(49u + attack_random(a) % 206u));
}

static void reference_empty(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, 0, 0, 0);
}
static void reference_too_long(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, 0, WY_CHANNEL_MAX_CHUNK_BYTES + 1u, WY_CHANNEL_MAX_CHUNK_BYTES + 1u);
}
static void reference_past_end(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, a->arena_bytes - SOME_BYTES + 1u, SOME_BYTES, SOME_BYTES);
}
static void reference_offset_huge(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, UINT32_MAX - (uint32_t)(attack_random(a) % SOME_BYTES), SOME_BYTES,
                      SOME_BYTES);
}
static void reference_wraps(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, UINT32_MAX, 2, 2);
}
static void reference_all_ones(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, UINT32_MAX, UINT32_MAX, UINT64_MAX);
}

static void total_huge(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_FIRST, 0, SOME_BYTES, UINT64_MAX - attack_random(a) % 1024u);
}
static void total_over_bound(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_FIRST, 0, SOME_BYTES, a->d->max_payload + 1u);
}
static void total_short(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, 0, SOME_BYTES, SOME_BYTES - 1u);
}
static void total_long_but_last(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WHOLE, 0, SOME_BYTES, SOME_BYTES + 1u);
}
static void error_over_bound(attack *a) {
    publish_reference(a, WY_SLOT_ERROR | WY_SLOT_FIRST, 0, SOME_BYTES, 1u << 20);
}

/* First of two chunks, correct by itself. */
static void begin(attack *a) {
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_FIRST, 0, SOME_BYTES, 2u * SOME_BYTES);
}

static void chunk_other_ticket(attack *a) {
    begin(a);
    wy_slot slot = reference_slot(a, WY_SLOT_OUTPUT | WY_SLOT_LAST, 0, SOME_BYTES, 2u * SOME_BYTES);
    slot.ticket ^= 0x100u;
    attack_publish(a, &slot);
}
static void chunk_other_kind(attack *a) {
    begin(a);
    publish_reference(a, WY_SLOT_ERROR | WY_SLOT_LAST, 0, SOME_BYTES, 2u * SOME_BYTES);
}
static void chunk_other_total(attack *a) {
    begin(a);
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_LAST, 0, SOME_BYTES, 3u * SOME_BYTES);
}
static void chunk_too_much(attack *a) {
    begin(a);
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_LAST, 0, 2u * SOME_BYTES, 2u * SOME_BYTES);
}
static void chunk_last_too_early(attack *a) {
    begin(a);
    publish_reference(a, WY_SLOT_OUTPUT | WY_SLOT_LAST, 0, 1, 2u * SOME_BYTES);
}
static void chunk_begun_twice(attack *a) {
    begin(a);
    begin(a);
}
static void chunk_interrupted(attack *a) {
    begin(a);
    publish_inline(a, WY_SLOT_LOG | WHOLE, 4);
}

static void index_not_in_flight(attack *a) {
    wy_slot slot = inline_slot(a, WY_SLOT_OUTPUT | WHOLE, 4);
    slot.ticket = (a->ticket & ~0xffu) | (uint32_t)(64u + attack_random(a) % 192u);
    attack_publish(a, &slot);
}

static void everything_random(attack *a) {
    uint8_t *bytes = (uint8_t *)a->ring;
    for (uint64_t i = 0; i < a->slots * WY_CHANNEL_SLOT_STRIDE; i += sizeof(uint64_t)) {
        uint64_t word = attack_random(a) | UINT64_C(1) << 63; /* sequences in no lap, whatever the position */
        memcpy(bytes + i, &word, sizeof word);
    }
}

/* Gives the pages of the whole file back: every word of it reads 0, also where a later lap stands. */
static void file_punched(attack *a) {
    (void)madvise(a->w, WY_CHANNEL_FILE_BYTES(a->slots, a->arena_bytes), MADV_REMOVE);
}

static const struct {
    const char *name;
    void (*deed)(attack *a);
} deeds[] = {
    {"sequence ahead", sequence_ahead},
    {"sequence a lap ahead", sequence_lap_ahead},
    {"sequence all ones", sequence_all_ones},
    {"sequence random", sequence_random},
    {"sequence behind", sequence_behind},
    {"kind zero", kind_zero},
    {"kind of a request", kind_request},
    {"kind stop", kind_stop},
    {"ready again", kind_ready_again},
    {"kind unknown", kind_unknown},
    {"no flags", flags_none},
    {"last only", flags_last_only},
    {"first only, inline", flags_first_inline},
    {"log in chunks", log_chunked},
    {"log without stream", log_without_stream},
    {"progress in chunks", progress_chunked},
    {"progress without percent", progress_without_percent},
    {"progress over hundred", progress_over_hundred},
    {"progress too long", progress_too_long},
    {"state over the bound", state_over_bound},
    {"state inside an output", state_in_output},
    {"state too much", state_too_much},
    {"yield with a payload", yield_with_payload},
    {"inline too long", inline_too_long},
    {"reference empty", reference_empty},
    {"reference too long", reference_too_long},
    {"reference past the end", reference_past_end},
    {"reference offset huge", reference_offset_huge},
    {"reference wraps", reference_wraps},
    {"reference all ones", reference_all_ones},
    {"total huge", total_huge},
    {"total over the bound", total_over_bound},
    {"total short", total_short},
    {"total long but last", total_long_but_last},
    {"error over the bound", error_over_bound},
    {"chunk of another ticket", chunk_other_ticket},
    {"chunk of another kind", chunk_other_kind},
    {"chunk of another total", chunk_other_total},
    {"chunk too much", chunk_too_much},
    {"last chunk too early", chunk_last_too_early},
    {"begun twice", chunk_begun_twice},
    {"chunks interrupted", chunk_interrupted},
    {"index not in flight", index_not_in_flight},
    {"everything random", everything_random},
    {"file punched", file_punched},
};

uint32_t attack_lethal_count(void) {
    return (uint32_t)(sizeof deeds / sizeof deeds[0]);
}

const char *attack_lethal_name(uint32_t index) {
    return deeds[index % attack_lethal_count()].name;
}

void attack_lethal(attack *a, uint32_t index) {
    deeds[index % attack_lethal_count()].deed(a);
}
