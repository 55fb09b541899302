/* Profiles that are tighter than one of the policy's: the only kind that somebody who may not write the policy defines. */
#ifndef WAYANG_SANDBOX_DERIVE_H
#define WAYANG_SANDBOX_DERIVE_H

#include "base/status.h"
#include "sandbox/profile.h"

/* A wish; 0 and NULL keep what the base has. */
typedef struct wy_derivation {
    const char *name; /* [A-Za-z0-9._-]; not in use */
    const char *base; /* a profile of the policy, or one that was derived before */
    uint64_t memory_bytes, tmpfs_bytes, file_bytes;
    uint32_t pids, open_files;
    uint32_t network;   /* wy_network; WY_NETWORK_KEEP: the base's */
    uint32_t no_files_written; /* 1: RLIMIT_FSIZE 0, whatever file_bytes says */
    uint32_t path_count;       /* 0: the base's paths */
    const char *const *paths;  /* each the base's, or below one of the base's */
    uint32_t denied_count;
    const char *const *denied; /* names of system calls that the base lets through */
    const char *root;          /* "": the base's; else the name of a root that was lent (wy_policy_lend) */
    uint32_t runtime;          /* wy_runtime: what runs its commands, in that root; judged by whoever can tell what is installed */
    uint32_t overlay;          /* 1: its root may be written, by way of an overlay, where this host can */
} wy_derivation;

#define WY_NETWORK_KEEP UINT32_MAX

/* Lends a directory as a root: "NAME=PATH", as whoever starts the runtime says it, before any message is read. The directory is
 * judged when a profile takes it, so that one that is not there costs only that profile. */
wy_status wy_policy_lend(wy_policy *policy, const char *root, wy_error *error);

/* Adds it to the policy. Whatever the wish says, the result allows nothing that its base does not: larger numbers, other
 * paths, more network and calls that the base does not let through are refused, with the sentence in `error`. */
wy_status wy_policy_derive(wy_policy *policy, const wy_derivation *wish, wy_error *error);

#endif
