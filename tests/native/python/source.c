/* The source of a Python image: what is taken, what is refused, and that no byte of it leads outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "python/source.h"

static size_t make(uint8_t *out, const char *preload, uint32_t count, size_t preload_bytes, const char *name, const char *code) {
    wy_python_source header = {.magic = WY_PYTHON_MAGIC,
                               .version = WY_PYTHON_VERSION,
                               .preload_count = count,
                               .preload_bytes = (uint32_t)preload_bytes,
                               .name_bytes = (uint32_t)strlen(name) + 1,
                               .code_bytes = (uint32_t)strlen(code)};
    uint8_t *at = out + sizeof header;
    memcpy(out, &header, sizeof header);
    memcpy(at, preload, preload_bytes);
    memcpy(at + preload_bytes, name, header.name_bytes);
    memcpy(at + preload_bytes + header.name_bytes, code, header.code_bytes);
    return sizeof header + preload_bytes + header.name_bytes + header.code_bytes;
}

static void taken(void) {
    uint8_t bytes[512];
    wy_python_parts parts;
    wy_error error;
    size_t length = make(bytes, "json\0xml.dom\0", 2, 13, "a-b.py", "x = 1");
    CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_OK);
    CHECK(parts.preload_count == 2 && strcmp(parts.preload[1], "xml.dom") == 0);
    CHECK(strcmp(parts.name, "a-b.py") == 0 && parts.code_bytes == 5 && memcmp(parts.code, "x = 1", 5) == 0);
    length = make(bytes, "", 0, 0, "a", "");
    CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_OK);
}

static void refused(void) {
    static const char *const modules[] = {"", ".a", "a.", "a..b", "1a", "a b", "a/b", "\xc3\xa4"};
    static const char *const names[] = {".hidden", "a/b.py", "a b", "a\n"};
    uint8_t bytes[512];
    wy_python_parts parts;
    wy_error error;
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        size_t length = make(bytes, modules[i], 1, strlen(modules[i]) + 1, "a.py", "x");
        CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_CORRUPT);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t length = make(bytes, "", 0, 0, names[i], "x");
        CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_CORRUPT);
    }
    size_t length = make(bytes, "json", 1, 4, "a.py", "x"); /* not terminated */
    CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_CORRUPT);
    length = make(bytes, "a\0b\0", 1, 4, "a.py", "x"); /* one name too many */
    CHECK(wy_python_source_read(bytes, length, &parts, &error) == WY_CORRUPT);
}

/* Each copy is exactly as long as it says, so that a sanitizer sees one byte too far. */
static void mutated(void) {
    uint8_t bytes[512];
    size_t length = make(bytes, "json\0re\0", 2, 8, "a.py", "def f(): pass");
    srand(1);
    for (int turn = 0; turn < 200000; turn++) {
        size_t cut = rand() % 8 == 0 ? (size_t)rand() % (length + 1) : length;
        uint8_t *copy = malloc(cut == 0 ? 1 : cut);
        wy_python_parts parts;
        wy_error error;
        CHECK(copy != NULL);
        memcpy(copy, bytes, cut);
        for (int i = rand() % 4; i > 0 && cut > 0; i--) {
            copy[(size_t)rand() % cut] = (uint8_t)rand();
        }
        if (wy_python_source_read(copy, cut, &parts, &error) == WY_OK) {
            CHECK(parts.code + parts.code_bytes == (const char *)copy + cut);
            CHECK(strlen(parts.name) > 0);
        }
        free(copy);
    }
}

int main(void) {
    taken();
    check_done("sources that are taken");
    refused();
    check_done("names and lengths that are refused");
    mutated();
    check_done("200,000 mutations");
    return check_failures != 0;
}
