/* The demo's plugin: three functions over a text. See include/wayang_plugin.h for what a plugin may do.
 *
 *   count   "LINES WORDS BYTES\n"
 *   hash    the SHA-256 of the input in hex, and a newline
 *   top     the ten most frequent words, one "COUNT WORD\n" each, most frequent first, ties in byte order */
#include <inttypes.h>
#include <stdio.h>
#include <wayang_plugin.h>

#include "sha256.h"
#include "words.h"

#define TOP_WORDS 10
#define NUMBER_BYTES 24u /* 20 digits, a space, the end */

static int count(wayang_call *call, const void *input, size_t length)
{
    wy_text_counts counts = wy_count_text(input, length);
    char line[3 * NUMBER_BYTES];
    int written = snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", counts.lines, counts.words, counts.bytes);
    return wayang_append(call, line, (size_t)written);
}

static int hash(wayang_call *call, const void *input, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[WY_SHA256_BYTES];
    wy_sha256(input, length, digest);
    char line[2 * WY_SHA256_BYTES + 1];
    for (unsigned i = 0; i < WY_SHA256_BYTES; i++) {
        line[2 * i] = digits[digest[i] >> 4];
        line[2 * i + 1] = digits[digest[i] & 15];
    }
    line[sizeof line - 1] = '\n';
    return wayang_append(call, line, sizeof line);
}

static int append_word(wayang_call *call, const wy_word *word)
{
    char number[NUMBER_BYTES];
    int written = snprintf(number, sizeof number, "%" PRIu64 " ", word->count);
    if (wayang_append(call, number, (size_t)written) != 0) {
        return 1;
    }

    /* Reserved and not appended byte by byte: a word may be as long as the input. */
    uint8_t *text = wayang_reserve(call, word->length + 1);
    if (text == NULL) {
        return 1;
    }
    for (size_t i = 0; i < word->length; i++) {
        text[i] = wy_fold(word->text[i]);
    }
    text[word->length] = '\n';
    return 0;
}

static int top(wayang_call *call, const void *input, size_t length)
{
    wy_word words[TOP_WORDS];
    int found = wy_top_words(input, length, words, TOP_WORDS);
    if (found < 0) {
        return wayang_fail(call, "out_of_memory", "no memory for the table of words");
    }
    for (int i = 0; i < found; i++) {
        if (append_word(call, &words[i]) != 0) {
            return 1;
        }
    }
    return 0;
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry)
{
    (void)host;
    if (registry->add(registry, "count", count, NULL) != 0 || registry->add(registry, "hash", hash, NULL) != 0) {
        return 1;
    }
    return registry->add(registry, "top", top, NULL);
}
