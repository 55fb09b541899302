/* Calls whose state lies in every place a program can have it: registers of all kinds, modes of the processor, deep stacks, a moving
 * heap, mappings, signal handlers, a thread's own variables. Each answers eight bytes that depend on every step. Input: "ROUNDS". */
#include <fenv.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wayang_plugin.h>

#define MIX UINT64_C(0x9e3779b97f4a7c15)

static const wayang_host *host;

static uint64_t mix(uint64_t a, uint64_t b) {
    a = (a ^ b) * MIX;
    return a ^ a >> 29;
}

static uint64_t rounds_of(const void *input) {
    return strtoull(input, NULL, 10);
}

static int answer(wayang_call *call, uint64_t value) {
    return host->append(call, &value, sizeof value);
}

/* 1. A chain over a buffer that grows by its own result. */
static int chain(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input), hash = length, room = 64, *words = malloc(room * sizeof *words);
    for (uint64_t i = 0; i < rounds && words != NULL; i++) {
        uint64_t used = i % 4096 + 1;
        if (used > room) {
            room *= 2;
            words = realloc(words, room * sizeof *words);
        }
        words[used - 1] = hash;
        for (uint64_t k = used > 64 ? used - 64 : 0; k < used; k++) {
            hash = mix(hash, words[k]);
        }
    }
    free(words);
    return answer(call, hash);
}

/* 2. Bodies under changing rounding: a mode that is lost changes the last bits. */
static int bodies(wayang_call *call, const void *input, size_t length) {
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    double x[6] = {0, 1, 2, 3, 5, 8}, v[6] = {0.1, -0.2, 0.3, -0.1, 0.05, 0.01};
    uint64_t rounds = rounds_of(input), hash = length;
    for (uint64_t i = 0; i < rounds; i++) {
        fesetround(modes[i / 7 % 4]);
        for (int a = 0; a < 6; a++) {
            volatile double pull = 0;
            for (int b = 0; b < 6; b++) {
                double d = x[b] - x[a];
                pull += d / (d * d * sqrt(d * d + 0.01) + 0.1);
            }
            v[a] += pull * 0.001;
        }
        for (int a = 0; a < 6; a++) {
            x[a] += v[a] * 0.001;
        }
        hash = mix(hash, (uint64_t)fegetround());
    }
    fesetround(FE_TONEAREST);
    for (int a = 0; a < 6; a++) {
        uint64_t bits;
        memcpy(&bits, &x[a], sizeof bits);
        hash = mix(hash, bits);
    }
    return answer(call, hash);
}

/* 3. Deep stacks with canaries, left by longjmp (whose buffer is mangled with the thread's secret). */
static jmp_buf out;
static volatile int jumps; /* else the way back is the ordinary one, past every canary */

static __attribute__((noinline)) uint64_t descend(uint64_t depth, uint64_t hash) {
    volatile char canary[200];
    for (size_t i = 0; i < sizeof canary; i++) {
        canary[i] = (char)(hash >> (i % 8 * 8));
    }
    if (depth == 0) {
        if (jumps) {
            longjmp(out, (int)(hash & 0x7fff) + 1);
        }
        return hash;
    }
    uint64_t deeper = descend(depth - 1, mix(hash, depth));
    for (size_t i = 0; i < sizeof canary; i++) {
        deeper += canary[i] != (char)(hash >> (i % 8 * 8));
    }
    return deeper;
}

static int recursion(wayang_call *call, const void *input, size_t length) {
    volatile uint64_t rounds = rounds_of(input), hash = length, i = 0;
    for (; i < rounds; i++) {
        int came = setjmp(out);
        if (came == 0) {
            jumps = (int)(i & 1);
            hash = descend(20 + (mix(i, 3) & 8191), hash); /* up to three megabytes */
        }
        hash = mix(hash, (uint64_t)came);
    }
    return answer(call, hash);
}

/* 4. Memory that comes, grows and goes; what stands in each piece is looked at before it goes. */
static int churn(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input), hash = length, bad = 0;
    struct {
        uint8_t *bytes;
        size_t length;
        uint8_t mark;
    } pieces[256];
    memset(pieces, 0, sizeof pieces);
    for (uint64_t i = 0; i < rounds; i++) {
        hash = mix(hash, i);
        size_t at = hash >> 40 & 255, wanted = (hash & 15) == 0 ? hash >> 20 & 0x7ffff : hash >> 20 & 0xfff;
        for (size_t k = 0; k < pieces[at].length; k += 97) {
            bad += pieces[at].bytes[k] != pieces[at].mark;
        }
        if ((hash & 3) == 0) {
            free(pieces[at].bytes);
            pieces[at].bytes = NULL;
        }
        pieces[at].bytes = realloc(pieces[at].bytes, wanted + 1);
        pieces[at].length = wanted;
        pieces[at].mark = (uint8_t)hash;
        memset(pieces[at].bytes, (int)(hash & 255), wanted);
    }
    for (size_t at = 0; at < 256; at++) {
        free(pieces[at].bytes);
    }
    return answer(call, mix(hash, bad));
}

/* 5. Wide registers that stay full for the whole loop. */
typedef uint64_t wide __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t vectors_avx2(uint64_t rounds) {
    wide a = {1, 2, 3, 4}, b = {5, 6, 7, 8}, c = {9, 10, 11, 12}, d = {13, 14, 15, 16};
    for (uint64_t i = 0; i < rounds * 16; i++) {
        a = a * 5 + b;
        b = (b ^ (a >> 7)) + c;
        c = c + (b << 3) - d;
        d = d ^ a ^ (c >> 11);
    }
    wide sum = a ^ b ^ c ^ d;
    return sum[0] ^ mix(sum[1], sum[2]) ^ sum[3];
}

static int vectors(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input);
    return answer(call, __builtin_cpu_supports("avx2") ? vectors_avx2(rounds) : mix(rounds, length));
}

/* 6. The old stack of eighty bits, in changing precision. */
static int extended(wayang_call *call, const void *input, size_t length) {
    static const uint16_t words[] = {0x037f, 0x027f, 0x007f, 0x0b7f}; /* 64, 53, 24 bits; upwards */
    uint64_t rounds = rounds_of(input), hash = length;
    long double sum = 0, term = 1;
    for (uint64_t i = 1; i < rounds; i++) {
        uint16_t word = words[i / 5 % 4], seen = 0;
        __asm__ volatile("fldcw %0" : : "m"(word));
        term = term * 1.0000001L + 1.0L / (long double)i;
        sum += sqrtl(term) / 3;
        __asm__ volatile("fnstcw %0" : "=m"(seen));
        hash = mix(hash, seen);
    }
    __asm__ volatile("fldcw %0" : : "m"(words[0]));
    uint64_t bits = 0;
    memcpy(&bits, &sum, sizeof bits);
    return answer(call, mix(hash, bits));
}

/* 7. Variables of the thread, errno among them. */
static _Thread_local uint64_t own[512];

static int thread_local_words(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input), hash = length;
    memset(own, 0, sizeof own);
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t *word = &own[hash % 512];
        *word = mix(*word, hash);
        hash = mix(hash, *word);
        if (i % 64 == 0) {
            hash = mix(hash, (uint64_t)getpid() + (uint64_t)(close(1000) == 0)); /* one: it is pid 1 wherever it stands */
        }
    }
    return answer(call, hash);
}

/* 8. A large heap, touched all over. */
static int heap(wayang_call *call, const void *input, size_t length) {
    const size_t words = (size_t)2 << 20; /* 16 MB */
    uint64_t rounds = rounds_of(input), hash = length, *table = calloc(words, sizeof *table); /* a worker that has served before gets its own memory again */
    for (size_t i = 0; i < words && table != NULL; i += 64) {
        table[i] = i;
    }
    for (uint64_t i = 0; i < rounds && table != NULL; i++) {
        uint64_t *word = &table[hash % words];
        *word += hash;
        hash = mix(hash, *word + i);
    }
    for (size_t i = 0; i < words && table != NULL; i++) {
        hash += table[i] * (i + 1);
    }
    free(table);
    return answer(call, hash);
}

/* 9. Calls that sleep: interrupted wherever they are, begun again. */
static int sleeps(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input), hash = length, bad = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        struct timespec part = {0, (long)(mix(hash, i) % 700000)}, until;
        bad += nanosleep(&part, NULL) != 0;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec = (until.tv_nsec + 300000) % 1000000000;
        until.tv_sec += until.tv_nsec < 300000;
        bad += clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0;
        hash = mix(hash, i);
    }
    return answer(call, mix(hash, bad));
}

/* 10. Mappings that come, move, split, are locked away and thrown out. */
static int mappings(wayang_call *call, const void *input, size_t length) {
    enum { COUNT = 24, PAGES = 16 };
    uint64_t rounds = rounds_of(input), hash = length;
    uint8_t *maps[COUNT] = {0};
    for (uint64_t i = 0; i < rounds; i++) {
        hash = mix(hash, i);
        uint8_t **map = &maps[hash >> 32 & 15];
        size_t page = (hash >> 16 & 15) * 4096;
        if (*map == NULL) {
            *map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
        (*map)[page] = (uint8_t)hash;
        switch (hash & 7) {
        case 0:
            munmap(*map, PAGES * 4096);
            *map = NULL;
            break;
        case 1:
            mprotect(*map + page, 4096, PROT_NONE); /* what stands in it must come along */
            hash = mix(hash, i);
            sched_yield();
            mprotect(*map + page, 4096, PROT_READ);
            hash = mix(hash, (*map)[page]);
            mprotect(*map + page, 4096, PROT_READ | PROT_WRITE);
            break;
        case 2:
            madvise(*map + page, 4096, MADV_DONTNEED);
            hash = mix(hash, (*map)[page]);
            break;
        case 3:
            *map = mremap(*map, PAGES * 4096, PAGES * 8192, MREMAP_MAYMOVE);
            *map = mremap(*map, PAGES * 8192, PAGES * 4096, MREMAP_MAYMOVE);
            break;
        default:
            hash = mix(hash, (*map)[page / 2 & ~(size_t)4095]);
        }
        if (i % 50 == 0) {
            (void)sbrk(8192);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        if (maps[i] != NULL) {
            munmap(maps[i], PAGES * 4096);
        }
    }
    return answer(call, hash);
}

/* 11. Faults that a handler of its own takes, and jumps out of. */
static sigjmp_buf caught;

static void on_fault(int number) {
    siglongjmp(caught, number);
}

static int faults(wayang_call *call, const void *input, size_t length) {
    volatile uint64_t rounds = rounds_of(input), hash = length, i = 0;
    (void)signal(SIGSEGV, on_fault);
    (void)signal(SIGFPE, on_fault);
    for (; i < rounds; i++) {
        int number = sigsetjmp(caught, 1);
        if (number == 0) {
            hash = mix(hash, i);
            if ((hash & 1) != 0) {
                *(volatile int *)(uintptr_t)(hash & 0xff8) = 1;
            } else {
                volatile int zero = 0;
                hash += (uint64_t)(1 / zero);
            }
        }
        hash = mix(hash, (uint64_t)number);
    }
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGFPE, SIG_DFL);
    return answer(call, hash);
}

/* 12. Speaks on its channel in the middle. */
static int speaks(wayang_call *call, const void *input, size_t length) {
    uint64_t rounds = rounds_of(input), hash = length;
    for (uint64_t i = 0; i < rounds; i++) {
        for (int k = 0; k < 20000; k++) {
            hash = mix(hash, i);
        }
        printf("%llu\n", (unsigned long long)i);
    }
    return answer(call, hash);
}

int wayang_plugin_init(const wayang_host *given, wayang_registry *registry) {
    static const struct {
        const char *name;
        wayang_function run;
    } all[] = {{"chain", chain},       {"bodies", bodies},     {"recursion", recursion}, {"churn", churn},
               {"vectors", vectors},   {"extended", extended}, {"thread_local", thread_local_words},
               {"heap", heap},         {"sleeps", sleeps},     {"mappings", mappings},   {"faults", faults},
               {"speaks", speaks}};
    host = given;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (registry->add(registry, all[i].name, all[i].run, NULL) != 0) {
            return 1;
        }
    }
    return 0;
}
