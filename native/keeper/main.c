/* wayang-keeper: arguments and defaults. Exit codes: the daemon's own wish, 0 after an ordered end, 1 cannot start or gave
 * up, 2 wrong arguments. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper.h"

static const char usage[] =
    "usage: wayang-keeper [OPTIONS] -- DAEMON [ARGUMENT...]\n"
    "Starts wayang-spawner and the daemon, starts them again when they die, ends both on SIGTERM or SIGINT.\n"
    "  --instance NAME      names the resource groups (default: made from the runtime directory)\n"
    "  --runtime-dir DIR    socket and lock (default: /run/wayang as root, else $XDG_RUNTIME_DIR/wayang or /tmp/wayang-UID)\n"
    "  --native DIR         where wayang-spawner and wayang-zygote lie (default: beside this program)\n"
    "  --policy DIR         isolation policy (default: NATIVE/policy)\n"
    "  --root NAME=DIR      a directory that profiles may be given as their root, by this name; may stand more than once\n"
    "  --space DIR          where tasks' writable space is made on the disk (root only)\n"
    "  --owner-fd N         end everything when this descriptor reaches its end\n"
    "  --tie-to-stdin       the same with standard input\n"
    "  --configuration N    descriptor N of the process that started this one is the daemon's configuration\n";

static int copy(char *out, size_t capacity, const char *text) {
    return snprintf(out, capacity, "%s", text) < (int)capacity ? 0 : 2;
}

static int take(int option, wy_keeper_options *options) {
    char *end = NULL;
    switch (option) {
    case 'i':
        return copy(options->instance, sizeof options->instance, optarg);
    case 'r':
        return copy(options->runtime_dir, sizeof options->runtime_dir, optarg);
    case 'p':
        return copy(options->policy_dir, sizeof options->policy_dir, optarg);
    case 'n':
        return copy(options->native_dir, sizeof options->native_dir, optarg);
    case 'd':
        if (options->root_count == WY_KEEPER_MAX_ROOTS) {
            return 2;
        }
        options->roots[options->root_count++] = optarg;
        return 0;
    case 's':
        options->space_dir = optarg;
        return 0;
    case 'o':
        options->owner_fd = (int)strtol(optarg, &end, 10);
        return *optarg == 0 || *end != 0 || fcntl(options->owner_fd, F_GETFD) < 0 ? 2 : 0;
    case 't':
        options->owner_fd = STDIN_FILENO;
        return 0;
    case 'c':
        options->configuration_number = (int)strtol(optarg, &end, 10);
        return *optarg == 0 || *end != 0 || options->configuration_number < 0 ? 2 : 0;
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
        return 2;
    }
}

static int parse(int argc, char **argv, wy_keeper_options *options) {
    static const struct option names[] = {{"instance", required_argument, NULL, 'i'},
                                          {"runtime-dir", required_argument, NULL, 'r'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"root", required_argument, NULL, 'd'},
                                          {"space", required_argument, NULL, 's'},
                                          {"native", required_argument, NULL, 'n'},
                                          {"owner-fd", required_argument, NULL, 'o'},
                                          {"tie-to-stdin", no_argument, NULL, 't'},
                                          {"configuration", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1) {
        if (take(option, options) != 0) {
            return 2;
        }
    }
    options->daemon_argc = argc - optind;
    options->daemon_argv = argv + optind;
    return options->daemon_argc > 0 ? 0 : 2;
}

/* Two runtimes with different directories must not share groups: the name follows the directory. */
static void default_instance(wy_keeper_options *options) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = options->runtime_dir; *c != 0; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    snprintf(options->instance, sizeof options->instance, "u%u-%016llx", (unsigned)geteuid(), (unsigned long long)hash);
}

static int fill_defaults(wy_keeper_options *options) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int bad = 0;
    if (options->runtime_dir[0] == 0) {
        char path[256];
        int length = geteuid() == 0 ? snprintf(path, sizeof path, "/run/wayang")
                     : runtime != NULL && runtime[0] == '/'
                         ? snprintf(path, sizeof path, "%s/wayang", runtime)
                         : snprintf(path, sizeof path, "/tmp/wayang-%u", (unsigned)geteuid());
        bad |= length >= (int)sizeof path || copy(options->runtime_dir, sizeof options->runtime_dir, path) != 0;
    }
    if (options->native_dir[0] == 0) {
        ssize_t length = readlink("/proc/self/exe", options->native_dir, sizeof options->native_dir - 1);
        options->native_dir[length > 0 ? length : 0] = 0;
        char *slash = strrchr(options->native_dir, '/');
        bad |= slash == NULL;
        if (slash != NULL) {
            *slash = 0;
        }
    }
    if (options->policy_dir[0] == 0) {
        char path[600];
        snprintf(path, sizeof path, "%s/policy", options->native_dir);
        bad |= copy(options->policy_dir, sizeof options->policy_dir, path);
    }
    if (options->instance[0] == 0) {
        default_instance(options);
    }
    return bad || options->runtime_dir[0] != '/' ? 2 : 0;
}

int main(int argc, char **argv) {
    wy_keeper_options options = {.owner_fd = -1, .configuration_number = -1};
    if (parse(argc, argv, &options) != 0 || fill_defaults(&options) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.owner_fd >= 0) {
        fcntl(options.owner_fd, F_SETFD, FD_CLOEXEC);
    }
    return wy_keeper_run(&options);
}
