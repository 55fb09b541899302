/* The only memory barriers of the native code; partners in src/Wayang.Fast.Interop/Barriers.cs. Each use names its SYNC
 * POINT: the barrier on the other side that it pairs with. */
#ifndef WAYANG_BASE_ATOMICS_H
#define WAYANG_BASE_ATOMICS_H

#include <stdint.h>

#define WY_CACHE_LINE 64
#define WY_SEPARATION 128 /* adjacent-line prefetch pulls pairs of lines */

static inline uint64_t wy_acquire64(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint32_t wy_acquire32(const uint32_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint64_t wy_relaxed64(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void wy_release64(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void wy_release32(uint32_t *word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void wy_increment32(uint32_t *word) {
    (void)__atomic_fetch_add(word, 1u, __ATOMIC_SEQ_CST);
}

static inline void wy_or64(uint64_t *word, uint64_t bits) {
    (void)__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

static inline void wy_and64(uint64_t *word, uint64_t bits) {
    (void)__atomic_fetch_and(word, bits, __ATOMIC_RELAXED);
}

/* Store-load barrier: what was stored before is seen before what is loaded after. ThreadSanitizer does not know fences,
 * but every use here also has an acquire/release pair on the words, so the harness stays meaningful. */
static inline void wy_full_fence(void) {
#if defined(__SANITIZE_THREAD__)
    static uint32_t word;
    (void)__atomic_fetch_add(&word, 1u, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* A line that will be written soon comes while something else is done. */
static inline void wy_prefetch_write(const void *line) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1, 3);
#endif
}

static inline void wy_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
