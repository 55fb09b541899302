/* wayang-probe: one line a check, "name TAB yes|no|unknown TAB value". Exit codes: 0 all were run (whatever they found) or
 * the policy is valid, 1 it is not, 2 wrong arguments. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/probe.h"
#include "sandbox/profile.h"

static const char usage[] =
    "usage: wayang-probe [--only PREFIX] [--state DIR] [--native DIR --runtime-dir DIR]\n"
    "       wayang-probe --policy DIR | --tree DIR | --own PATH...\n"
    "Tries what this host gives, or reads an isolation policy as the spawner does. Prints NAME TAB yes|no|unknown TAB VALUE.\n"
    "  --only PREFIX  checks whose name begins so (default: all)\n"
    "  --state DIR    judge the disk of this directory (default: /var/tmp)\n"
    "  --native DIR, --runtime-dir DIR  judge this installation and this place of a runtime, too\n"
    "  --policy DIR   load the policy: its values and profiles, or what is wrong with it\n"
    "  --tree DIR     a profile's own root: setuid files, devices, what everybody may write\n"
    "  --own PATH...  owner, group, mode and kind of each\n";

typedef struct probe_request {
    const char *only, *policy, *tree;
    char **own; /* the paths that follow, ended by NULL */
    wy_probe_context context;
} probe_request;

static int parse(int argc, char **argv, probe_request *out) {
    static const struct option names[] = {{"only", required_argument, NULL, 'o'},  {"state", required_argument, NULL, 's'},
                                          {"policy", required_argument, NULL, 'p'}, {"nothing", no_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},         {"native", required_argument, NULL, 'N'},
                                          {"runtime-dir", required_argument, NULL, 'r'},
                                          {"tree", required_argument, NULL, 't'}, {"own", no_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    static char *none[] = {NULL};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'o':
            out->only = optarg;
            break;
        case 's':
            out->context.state_dir = optarg;
            break;
        case 'N':
            out->context.native_dir = optarg;
            break;
        case 'r':
            out->context.runtime_dir = optarg;
            break;
        case 'p':
            out->policy = optarg;
            break;
        case 't':
            out->tree = optarg;
            break;
        case 'w':
            out->own = none;
            break;
        case 'n': /* executed by a check of ours */
            exit(0);
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return 2;
        }
    }
    if (out->own != NULL) {
        out->own = argv + optind;
        return optind < argc ? 0 : 2;
    }
    return optind == argc ? 0 : 2;
}

static void print(const char *name, int32_t verdict, const char *value) {
    printf("%s\t%s\t%s\n", name, verdict == WY_PROBE_YES ? "yes" : verdict == WY_PROBE_NO ? "no" : "unknown", value);
}

static void run_list(const wy_check *checks, const probe_request *request) {
    for (; checks->name != NULL; checks++) {
        wy_answer answer = {.verdict = WY_PROBE_UNKNOWN};
        if (strncmp(checks->name, request->only, strlen(request->only)) == 0) {
            wy_check_run(checks, &request->context, &answer);
            print(checks->name, answer.verdict, answer.value);
            fflush(stdout);
        }
    }
}

static int load_policy(const char *directory) {
    static wy_policy policy;
    char value[400];
    wy_error error = {0};
    if (wy_policy_load(directory, &policy, &error) != WY_OK) {
        print("policy", WY_PROBE_NO, error.message);
        return 1;
    }
    snprintf(value, sizeof value, "%u profiles", policy.profile_count);
    print("policy", WY_PROBE_YES, value);
    snprintf(value, sizeof value, "%u %u", policy.uid_first, policy.uid_count);
    print("policy.uids", WY_PROBE_YES, value);
    for (uint32_t i = 0; i < policy.profile_count; i++) {
        const wy_profile *profile = &policy.profiles[i];
        snprintf(value, sizeof value, "%s%s%s", profile->name, profile->root[0] != 0 ? " root " : profile->files ? " files" : "",
                 profile->root);
        print("policy.profile", WY_PROBE_YES, value);
    }
    wy_policy_free(&policy);
    return 0;
}

static void print_finding(const char *what, const char *path) {
    printf("tree.%s\tno\t", what);
    for (const char *c = path; *c != 0; c++) { /* a name may hold what ends a line or a field */
        putchar((unsigned char)*c < ' ' ? '?' : *c);
    }
    putchar('\n');
}

/* Prints "tree.WHAT no PATH" for each finding, then the verdict; returns 0 when there is none, else 1. */
static int look_at_tree(const char *directory) {
    unsigned seen = 0, over = 0;
    int clean = wy_probe_tree(directory, print_finding, &seen, &over);
    printf("tree\t%s\t%u %u\n", clean ? "yes" : "no", seen, over);
    return clean ? 0 : 1;
}

/* Prints "own yes|no VALUE" for each path, in their order. */
static int look_at_own(char *const *paths) {
    for (; *paths != NULL; paths++) {
        char value[160];
        int there;
        wy_probe_own(*paths, value, sizeof value, &there);
        printf("own\t%s\t%s\n", there ? "yes" : "no", value);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const wy_check *const lists[] = {wy_process_checks, wy_namespace_checks, wy_filter_checks,
                                            wy_memory_checks,  wy_group_checks,     wy_host_checks};
    probe_request request = {.only = "", .context = {.state_dir = "/var/tmp"}};
    if (parse(argc, argv, &request) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (request.policy != NULL) {
        return load_policy(request.policy);
    }
    if (request.tree != NULL) {
        return look_at_tree(request.tree);
    }
    if (request.own != NULL) {
        return look_at_own(request.own);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        run_list(lists[i], &request);
    }
    if (request.context.native_dir != NULL && request.context.runtime_dir != NULL) {
        run_list(wy_installation_checks, &request);
    }
    return 0;
}
