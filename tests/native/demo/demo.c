/* The text work of the demo's plugin, against known answers. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sha256.h"
#include "words.h"

#define LONG_BYTES 1000000u

static int hashes_to(const void *data, size_t length, const char *expected) {
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[WY_SHA256_BYTES];
    wy_sha256(data, length, digest);
    char text[2 * WY_SHA256_BYTES + 1] = "";
    for (unsigned i = 0; i < WY_SHA256_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    return strcmp(text, expected) == 0;
}

/* The examples of FIPS 180-4, and lengths around the edges of a block. */
static void test_sha256(void) {
    CHECK(hashes_to("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(hashes_to("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(hashes_to("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    char *text = malloc(LONG_BYTES);
    CHECK(text != NULL);
    if (text != NULL) {
        memset(text, 'a', LONG_BYTES);
        CHECK(hashes_to(text, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"));
        CHECK(hashes_to(text, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"));
        CHECK(hashes_to(text, LONG_BYTES, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    }
    free(text);
    check_done("sha256");
}

static void test_counts(void) {
    wy_text_counts counts = wy_count_text((const uint8_t *)"One two\ntwo three\n\n-- 4you", 26);
    CHECK(counts.lines == 3 && counts.words == 5 && counts.bytes == 26);
    counts = wy_count_text((const uint8_t *)"", 0);
    CHECK(counts.lines == 0 && counts.words == 0 && counts.bytes == 0);
    check_done("counts");
}

static int is_word(const wy_word *word, const char *text, uint64_t count) {
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0 && word->count == count;
}

static void test_top(void) {
    static const char text[] = "b a c b a b, d Z\xc3\xbcri Z\xc3\xbcri Z\xc3\xbcri Z\xc3\xbcri";
    wy_word top[3];
    int found = wy_top_words((const uint8_t *)text, sizeof text - 1, top, 3);
    CHECK(found == 3);
    CHECK(is_word(&top[0], "Z\xc3\xbcri", 4) && is_word(&top[1], "b", 3) && is_word(&top[2], "a", 2));
    CHECK(wy_top_words((const uint8_t *)"...", 3, top, 3) == 0);
    found = wy_top_words((const uint8_t *)"y x", 3, top, 3);
    CHECK(found == 2 && is_word(&top[0], "x", 1) && is_word(&top[1], "y", 1)); /* ties in byte order */
    check_done("top words");
}

/* More distinct words than the table's first size, many of each. */
static void test_growth(void) {
    enum { words = 20000, letters = 4, rounds = 2 };
    uint8_t *text = malloc((size_t)words * rounds * (letters + 1));
    CHECK(text != NULL);
    if (text == NULL) {
        return;
    }
    size_t at = 0;
    for (unsigned i = 0; i < words * rounds; i++) {
        unsigned number = i % words;
        for (unsigned letter = 0; letter < letters; letter++, number /= 26) {
            text[at++] = (uint8_t)((i >= words ? 'A' : 'a') + number % 26);
        }
        text[at++] = ' ';
    }
    wy_word top[1];
    CHECK(wy_top_words(text, at, top, 1) == 1 && is_word(&top[0], "aaaa", rounds));
    free(text);
    check_done("growing table");
}

int main(void) {
    test_sha256();
    test_counts();
    test_top();
    test_growth();
    return check_failures == 0 ? 0 : 1;
}
