/* Tokens of a text, and how often each occurs.
 *
 * A word is a longest run of ASCII letters, ASCII digits and bytes from 0x80 on (so that words of any UTF-8 script stay
 * whole); ASCII letters are folded to lower case. */
#ifndef WAYANG_DEMO_WORDS_H
#define WAYANG_DEMO_WORDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct wy_text_counts {
    uint64_t lines; /* newline characters */
    uint64_t words;
    uint64_t bytes;
} wy_text_counts;

typedef struct wy_word {
    const uint8_t *text; /* in the input, as written there */
    size_t length;
    uint64_t count;
} wy_word;

wy_text_counts wy_count_text(const uint8_t *data, size_t length);

/* Finds the `wanted` most frequent words, most frequent first, ties in byte order. Fills `top` and returns how many there
 * are; -1 when memory ran out. The words point into `data`. */
int wy_top_words(const uint8_t *data, size_t length, wy_word *top, int wanted);

/* ASCII lower case; other bytes as they are. */
uint8_t wy_fold(uint8_t byte);

#endif
