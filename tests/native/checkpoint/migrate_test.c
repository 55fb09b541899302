/* PS1, PS4, RA4: C jobs whose state lies in every place a program can have it, moved between two zygotes of their image. */
#include "rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the plugin's order. */
static job jobs[] = {
    {"chain", "200000", 0, 0, 0},   {"bodies", "60000", 0, 0, 0},        {"recursion", "30", 0, 0, 0},  {"churn", "4000", 0, 0, 0},
    {"vectors", "800000", 0, 0, 0},  {"extended", "900000", 0, 0, 0},     {"thread_local", "2000000", 0, 0, 0}, {"heap", "200000", 0, 0, 0},
    {"sleeps", "40", 0, 0, 0},       {"mappings", "3000", 0, 0, 0},      {"faults", "8000", 0, 0, 0},   {"speaks", "500", 0, 0, 0},
};

static void *read_plugin(const char *path, size_t *bytes) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &facts) == 0, "%s: %s", path, strerror(errno));
    void *content = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(content != MAP_FAILED, "%s", strerror(errno));
    (void)close(fd);
    *bytes = (size_t)facts.st_size;
    return content;
}

int main(int argc, char **argv) {
    static mover m;
    test_setup setup;
    size_t bytes;
    int binary = open(WY_TEST_STAGE "/wayang-zygote", O_PATH | O_CLOEXEC); /* as it is shipped */
    CHECK(binary >= 0, "%s", strerror(errno));
    test_begin(&setup, argc, argv);
    (void)close(setup.zygote_binary);
    setup.zygote_binary = binary;
    void *plugin = read_plugin(WY_TEST_JOBS, &bytes);
    rounds_begin(&setup);
    mover_open(&m, &setup, WY_IMAGE_C_PLUGIN, plugin, bytes);
    rounds_run(&m, jobs, sizeof jobs / sizeof jobs[0], 2000);
    mover_close(&m);
    return 0;
}
