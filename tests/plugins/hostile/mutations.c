/* The calls that mutate the channel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

#define WHOLE (WY_SLOT_FIRST | WY_SLOT_LAST)
#define RING_EVERY 64u

static void write_random(attack *a, uint8_t *at, size_t length) {
    for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t word = attack_random(a);
        size_t left = length - i;
        memcpy(at + i, &word, left < sizeof word ? left : sizeof word);
    }
}

static uint64_t crafted(attack *a) {
    static const uint64_t values[] = {0,          1,          2,          255,        256,           257,
                                      0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX, UINT64_MAX - 1};
    uint64_t pick = attack_random(a) % (sizeof values / sizeof values[0] + 4);
    return pick < sizeof values / sizeof values[0] ? values[pick] : attack_random(a);
}

/* The head decides what the daemon may overwrite in D: a lie is taken back before the loop needs the truth. */
static void mutate_head(attack *a) {
    uint64_t truth = a->w->head;
    __atomic_store_n(&a->w->head, crafted(a), __ATOMIC_RELEASE);
    attack_ring(a);
    __atomic_store_n(&a->w->head, truth, __ATOMIC_RELEASE);
}

/* A slot that is not due: looked at only when its turn comes. */
static void mutate_sequence(attack *a) {
    uint64_t offset = 1 + attack_random(a) % (a->slots - 1);
    wy_slot *slot = &a->ring[(a->position + offset) & (a->slots - 1)].slot;
    uint64_t truth = slot->sequence;
    __atomic_store_n(&slot->sequence, crafted(a), __ATOMIC_RELEASE);
    attack_ring(a);
    __atomic_store_n(&slot->sequence, truth, __ATOMIC_RELEASE);
}

static void ring_oddly(attack *a) {
    uint64_t value[2] = {attack_random(a) % 4 == 0 ? UINT64_MAX - 1 : crafted(a), 0};
    ssize_t written = write(WY_WORKER_FD_DOORBELL, value, (size_t)(attack_random(a) % sizeof value));
    (void)written; /* refused or not: the daemon must not care */
}

/* One mutation of something that is a hint, or that nobody looks at yet. */
static void mutate_hint(attack *a) {
    switch (attack_random(a) % 8) {
    case 0: /* what is written once and never read again by the daemon */
        write_random(a, (uint8_t *)a->w + attack_random(a) % 0x78, 8);
        break;
    case 1:
        mutate_head(a);
        break;
    case 2:
        __atomic_store_n(&a->w->sleeping, (uint32_t)crafted(a), __ATOMIC_RELEASE);
        break;
    case 3:
        __atomic_store_n(&a->w->wants_space, (uint32_t)crafted(a), __ATOMIC_RELEASE);
        break;
    case 4: { /* everything of a slot but its sequence */
        wy_slot *slot = &a->ring[attack_random(a) % a->slots].slot;
        write_random(a, (uint8_t *)slot + sizeof slot->sequence, sizeof *slot - sizeof slot->sequence);
        break;
    }
    case 5:
        mutate_sequence(a);
        break;
    case 6:
        write_random(a, a->arena + attack_random(a) % (a->arena_bytes - 64u), 64);
        break;
    default:
        write_random(a, (uint8_t *)a->w + 0x180 + attack_random(a) % (WY_CHANNEL_HEADER_BYTES - 0x188), 8);
        break;
    }
}

static int read_order(wayang_call *call, const void *input, size_t length, attack_order *order) {
    if (length != sizeof *order) {
        return wayang_fail(call, "bad_order", "the input is an attack_order");
    }
    memcpy(order, input, sizeof *order);
    return 0;
}

/* Succeeds with the number of mutations made: the worker must go on serving. */
int hostile_hints(wayang_call *call, const void *input, size_t length) {
    attack_order order;
    if (read_order(call, input, length, &order) != 0) {
        return 1;
    }
    attack a;
    attack_open(&a, order.seed);
    uint32_t made = 0;
    for (; made < order.count; made++) {
        if (made % RING_EVERY == RING_EVERY - 1) {
            ring_oddly(&a);
        } else {
            mutate_hint(&a);
        }
    }
    return wayang_append(call, &made, sizeof made);
}

/* A slot of correct grammar that answers nothing which is in flight: a guess at the ticket of an earlier or later call.
 */
static uint32_t publish_guess(attack *a) {
    uint32_t generation =
        attack_random(a) % 2 ? (a->ticket >> 8) + (uint32_t)(1 + attack_random(a) % 8) : (uint32_t)attack_random(a);
    wy_slot slot = {.ticket = generation << 8, .function = (uint16_t)attack_random(a)};
    if (slot.ticket == a->ticket) {
        slot.ticket ^= 0x100u;
    }
    uint8_t kind = (uint8_t)(WY_SLOT_OUTPUT + attack_random(a) % 5);
    write_random(a, slot.payload.bytes, sizeof slot.payload.bytes);
    uint32_t length = (uint32_t)(1 + attack_random(a) % 4096);
    uint32_t offset = (uint32_t)(attack_random(a) % (a->arena_bytes - 8192u));
    switch (attack_random(a) % (kind == WY_SLOT_LOG || kind == WY_SLOT_PROGRESS ? 2 : 3)) {
    case 0:
        slot.kind = (uint8_t)(kind | WHOLE);
        slot.length = (uint8_t)(attack_random(a) % (WY_CHANNEL_INLINE_BYTES + 1));
        attack_publish(a, &slot);
        return 1;
    case 1:
        slot.kind = (uint8_t)(kind | WHOLE);
        slot.length = WY_CHANNEL_INLINE_REFERENCE;
        slot.payload.reference = (wy_reference){.offset = offset, .length = length, .total = length};
        attack_publish(a, &slot);
        return 1;
    default:
        slot.kind = (uint8_t)(kind | WY_SLOT_FIRST);
        slot.length = WY_CHANNEL_INLINE_REFERENCE;
        slot.payload.reference = (wy_reference){.offset = offset, .length = length, .total = 2u * (uint64_t)length};
        attack_publish(a, &slot);
        slot.kind = (uint8_t)(kind | WY_SLOT_LAST);
        attack_publish(a, &slot);
        return 2;
    }
}

/* Says through the log, which is kept whatever the end, what the daemon has consumed of us so far. */
static void publish_log(attack *a, uint32_t made, uint32_t lethal) {
    char text[WY_CHANNEL_INLINE_BYTES + 32];
    int length = snprintf(text, sizeof text, "%u %s\n", made, attack_lethal_name(lethal));
    wy_slot slot = {.ticket = a->ticket, .kind = WY_SLOT_LOG | WHOLE};
    uint8_t kept = (uint8_t)(length < (int)WY_CHANNEL_INLINE_BYTES - 1 ? length : (int)WY_CHANNEL_INLINE_BYTES - 1);
    slot.length = (uint8_t)(kept + 1u);
    slot.payload.bytes[0] = WY_LOG_STDERR;
    memcpy(slot.payload.bytes + 1, text, kept);
    attack_publish(a, &slot);
}

/* Publishes guesses, waits until the daemon has taken them all, tells their number, does the deed, and never returns.
 */
int hostile_publish(wayang_call *call, const void *input, size_t length) {
    attack_order order;
    if (read_order(call, input, length, &order) != 0) {
        return 1;
    }
    attack a;
    attack_open(&a, order.seed);
    uint32_t made = 0;
    while (made < order.count) {
        made += publish_guess(&a);
        if (made % RING_EVERY == 0) {
            attack_settle(&a); /* what is published and not yet read is no hint */
            mutate_hint(&a);
            made++;
        }
        attack_ring(&a);
    }
    attack_settle(&a);
    publish_log(&a, made, order.lethal);
    attack_settle(&a);
    attack_lethal(&a, order.lethal);
    for (;;) {
        attack_ring(&a);
        attack_pause();
    }
}

int hostile_lethal_names(wayang_call *call, const void *input, size_t length) {
    (void)input, (void)length;
    for (uint32_t i = 0; i < attack_lethal_count(); i++) {
        const char *name = attack_lethal_name(i);
        if (wayang_append(call, name, strlen(name)) != 0 || wayang_append(call, "\n", 1) != 0) {
            return 1;
        }
    }
    return 0;
}

/* Rings without pause and without work. */
int hostile_flood(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)input, (void)length;
    const uint64_t one = 1;
    volatile int for_ever = 1;
    while (for_ever) {
        ssize_t written = write(WY_WORKER_FD_DOORBELL, &one, sizeof one);
        (void)written;
    }
    return 0;
}

/* Publishes without end what is correct and of no use: answers to nobody (order.lethal 0), or log (1). */
int hostile_flood_slots(wayang_call *call, const void *input, size_t length) {
    attack_order order;
    if (read_order(call, input, length, &order) != 0) {
        return 1;
    }
    attack a;
    attack_open(&a, order.seed);
    wy_slot slot = {.ticket = a.ticket, .kind = WY_SLOT_LOG | WHOLE, .length = WY_CHANNEL_INLINE_REFERENCE};
    slot.payload.reference =
        (wy_reference){.offset = 0, .length = WY_CHANNEL_MAX_CHUNK_BYTES, .total = WY_CHANNEL_MAX_CHUNK_BYTES};
    if (order.lethal == 0) {
        slot.ticket ^= 0x100u;
        slot.kind = WY_SLOT_OUTPUT | WHOLE;
    }
    a.arena[0] = WY_LOG_STDOUT;
    volatile int for_ever = 1;
    while (for_ever) {
        attack_publish(&a, &slot);
        attack_ring(&a);
    }
    return 0;
}

/* Leaves an impossible head behind and keeps it there: the daemon meets it when it needs the space. */
int hostile_bad_head(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)input, (void)length;
    attack a;
    attack_open(&a, 1);
    for (;;) {
        __atomic_store_n(&a.w->head, UINT64_MAX / 2, __ATOMIC_RELEASE);
        attack_ring(&a);
        attack_pause();
    }
}

/* Ends its own task with an output of its own making, though the function has not returned: valid, and nobody else's
 * harm. Then it answers the next call's ticket before there is one. */
int hostile_guess(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)input, (void)length;
    attack a;
    attack_open(&a, 7);
    wy_slot slot = {.ticket = a.ticket + 0x100u, .kind = WY_SLOT_OUTPUT | WHOLE, .length = 6};
    memcpy(slot.payload.bytes, "forged", 6);
    attack_publish(&a, &slot);
    slot.ticket = a.ticket;
    memcpy(slot.payload.bytes, "my own", 6);
    attack_publish(&a, &slot);
    for (;;) {
        attack_ring(&a);
        attack_pause();
    }
}

/* Ends its own call, which is said to have taken all the processor time that a number can tell, and never returns. */
int hostile_false_cost(wayang_call *call, const void *input, size_t length) {
    (void)call, (void)input, (void)length;
    attack a;
    attack_open(&a, 1);
    a.w->costs[a.ticket % WY_CHANNEL_MAX_IN_FLIGHT] = (wy_call_cost){.cpu_ns = UINT64_MAX, .ticket = a.ticket};
    const wy_slot slot = {.ticket = a.ticket, .kind = WY_SLOT_OUTPUT | WHOLE};
    attack_publish(&a, &slot);
    for (;;) {
        attack_ring(&a);
        attack_pause();
    }
}
