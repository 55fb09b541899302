/* A plugin that does what a hostile author would: it knows the layout of its channel and writes there behind the worker
 * loop's back, and it does to its process and descriptors whatever the filter lets it. */
#ifndef WAYANG_TESTS_HOSTILE_H
#define WAYANG_TESTS_HOSTILE_H

#include <stddef.h>
#include <stdint.h>
#include <wayang_plugin.h>

#include "channel/layout.h"

/* Input of the channel's attacks. */
typedef struct attack_order {
    uint64_t seed;
    uint32_t count;  /* mutations that a correct daemon survives without ending the worker */
    uint32_t lethal; /* which deed comes after them; see attack_lethal_count */
} attack_order;

/* The worker's own channel as an attacker sees it. */
typedef struct attack {
    wy_channel_header *w;
    const wy_channel_header *d;
    wy_ring_slot *ring;
    uint8_t *arena;
    uint64_t slots;
    uint32_t arena_bytes;
    uint32_t state_bytes; /* that a call may save */
    uint64_t position; /* of the next completion */
    uint32_t ticket;   /* of the call that runs */
    uint32_t rung_for;
    uint64_t random;
} attack;

void attack_open(attack *a, uint64_t seed);
uint64_t attack_random(attack *a);

/* Publishes a slot: `slot` carries everything but its sequence. Waits while the ring is full. */
void attack_publish(attack *a, const wy_slot *slot);

/* Rings when the daemon sleeps, once per sleep, as a correct worker does. */
void attack_ring(attack *a);

/* Waits until the daemon has consumed all that was published. */
void attack_settle(attack *a);
void attack_pause(void);

uint32_t attack_lethal_count(void);
const char *attack_lethal_name(uint32_t index);

/* Does the deed; the daemon must end this worker for it. */
void attack_lethal(attack *a, uint32_t index);

/* Calls. */
int hostile_hints(wayang_call *call, const void *input, size_t length);
int hostile_publish(wayang_call *call, const void *input, size_t length);
int hostile_lethal_names(wayang_call *call, const void *input, size_t length);
int hostile_flood(wayang_call *call, const void *input, size_t length);
int hostile_flood_slots(wayang_call *call, const void *input, size_t length);
int hostile_bad_head(wayang_call *call, const void *input, size_t length);
int hostile_descriptors(wayang_call *call, const void *input, size_t length);
int hostile_block_doorbell(wayang_call *call, const void *input, size_t length);
int hostile_false_cost(wayang_call *call, const void *input, size_t length);
int hostile_guess(wayang_call *call, const void *input, size_t length);

#endif
