#include "words.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024u /* a power of two */

typedef struct word_table {
    wy_word *slots; /* open addressing, linear probing; count 0 = free */
    size_t capacity, used;
} word_table;

uint8_t wy_fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static int is_word_byte(uint8_t byte)
{
    uint8_t folded = wy_fold(byte);
    return (folded >= 'a' && folded <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
}

/* Moves *at to the next word and returns its length, 0 when there is none. */
static size_t next_word(const uint8_t *data, size_t length, size_t *at)
{
    while (*at < length && !is_word_byte(data[*at])) {
        ++*at;
    }
    size_t end = *at;
    while (end < length && is_word_byte(data[end])) {
        end++;
    }
    return end - *at;
}

static int compare_words(const wy_word *a, const wy_word *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    for (size_t i = 0; i < shorter; i++) {
        int difference = (int)wy_fold(a->text[i]) - (int)wy_fold(b->text[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return a->length == b->length ? 0 : (a->length < b->length ? -1 : 1);
}

static uint64_t hash_word(const wy_word *word)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < word->length; i++) {
        hash = (hash ^ wy_fold(word->text[i])) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static wy_word *find_slot(const word_table *table, const wy_word *word)
{
    size_t at = hash_word(word) & (table->capacity - 1);
    while (table->slots[at].count != 0 && compare_words(&table->slots[at], word) != 0) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->slots[at];
}

static int grow(word_table *table)
{
    word_table bigger = {.capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2, .used = table->used};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].count != 0) {
            *find_slot(&bigger, &table->slots[i]) = table->slots[i];
        }
    }
    free(table->slots);
    *table = bigger;
    return 0;
}

static int fill_table(word_table *table, const uint8_t *data, size_t length)
{
    size_t word_length;
    for (size_t at = 0; (word_length = next_word(data, length, &at)) > 0; at += word_length) {
        if (table->used * 2 >= table->capacity && grow(table) != 0) {
            return -1;
        }
        wy_word word = {.text = data + at, .length = word_length, .count = 1};
        wy_word *slot = find_slot(table, &word);
        if (slot->count == 0) {
            *slot = word;
            table->used++;
        } else {
            slot->count++;
        }
    }
    return 0;
}

wy_text_counts wy_count_text(const uint8_t *data, size_t length)
{
    wy_text_counts counts = {.bytes = length};
    size_t word_length;
    for (size_t at = 0; (word_length = next_word(data, length, &at)) > 0; at += word_length) {
        counts.words++;
    }
    for (size_t i = 0; i < length; i++) {
        counts.lines += data[i] == '\n';
    }
    return counts;
}

static int comes_before(const wy_word *a, const wy_word *b)
{
    return a->count != b->count ? a->count > b->count : compare_words(a, b) < 0;
}

int wy_top_words(const uint8_t *data, size_t length, wy_word *top, int wanted)
{
    word_table table = {0};
    if (fill_table(&table, data, length) != 0) {
        free(table.slots);
        return -1;
    }

    int found = 0;
    for (size_t i = 0; i < table.capacity; i++) {
        const wy_word *word = &table.slots[i];
        if (word->count == 0 || (found == wanted && !comes_before(word, &top[found - 1]))) {
            continue;
        }
        /* Insertion into a short sorted list: the last one falls off when it is full. */
        int place = found < wanted ? found++ : found - 1;
        while (place > 0 && comes_before(word, &top[place - 1])) {
            top[place] = top[place - 1];
            place--;
        }
        top[place] = *word;
    }
    free(table.slots);
    return found;
}
