#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "hostile.h"

uint64_t attack_random(attack *a) {
    /* splitmix64: every state gives a different stream, 0 included. */
    uint64_t z = (a->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void attack_open(attack *a, uint64_t seed) {
    memset(a, 0, sizeof *a);
    a->d = (const wy_channel_header *)(uintptr_t)WY_CHANNEL_D_ADDRESS;
    a->w = (wy_channel_header *)(uintptr_t)WY_CHANNEL_W_ADDRESS;
    a->random = seed;
    /* From D, which only the daemon writes: our own header may hold what an earlier call left there. */
    a->slots = a->d->peer_slots;
    a->arena_bytes = a->d->peer_arena_bytes;
    a->state_bytes = a->d->state_bytes;
    a->ring = (wy_ring_slot *)((uint8_t *)a->w + WY_CHANNEL_HEADER_BYTES);
    a->arena = (uint8_t *)a->ring + WY_CHANNEL_RING_BYTES(a->slots);
    for (uint64_t i = 0; i < a->slots; i++) {
        if (a->ring[i].slot.sequence > a->position) {
            a->position = a->ring[i].slot.sequence;
        }
    }
    const wy_ring_slot *requests = (const wy_ring_slot *)((const uint8_t *)a->d + WY_CHANNEL_HEADER_BYTES);
    uint64_t newest = 0;
    for (uint64_t i = 0; i < a->d->slots; i++) {
        if (requests[i].slot.sequence > newest) {
            newest = requests[i].slot.sequence;
            a->ticket = requests[i].slot.ticket;
        }
    }
}

void attack_pause(void) {
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 50000};
    (void)nanosleep(&moment, NULL);
}

void attack_ring(attack *a) {
    wy_full_fence();
    uint32_t sleeping = __atomic_load_n(&a->d->sleeping, __ATOMIC_ACQUIRE);
    if (sleeping != 0 && sleeping != a->rung_for) {
        const uint64_t one = 1;
        a->rung_for = sleeping;
        if (write(WY_WORKER_FD_DOORBELL, &one, sizeof one) < 0 && errno != EAGAIN) {
            a->rung_for = 0;
        }
    }
}

void attack_publish(attack *a, const wy_slot *slot) {
    while (a->position - __atomic_load_n(&a->d->head, __ATOMIC_ACQUIRE) >= a->slots) {
        attack_ring(a);
        attack_pause();
    }
    wy_slot *shared = &a->ring[a->position & (a->slots - 1)].slot;
    shared->ticket = slot->ticket;
    shared->function = slot->function;
    shared->kind = slot->kind;
    shared->length = slot->length;
    shared->payload = slot->payload;
    a->position++;
    __atomic_store_n(&shared->sequence, a->position, __ATOMIC_RELEASE);
}

void attack_settle(attack *a) {
    while (__atomic_load_n(&a->d->head, __ATOMIC_ACQUIRE) != a->position) {
        attack_ring(a);
        attack_pause();
    }
}
