/* A directory tree that is some profile's root: what in it should not be there. Looked at, never followed, never changed;
 * what is mounted below it is not entered. */
#include "probe/probe.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_TOLD 500 /* lines; what is over is counted */

static unsigned told, over, seen;
static wy_tree_tell *teller;

static void tell(const char *what, const char *path) {
    if (told++ >= MAX_TOLD) {
        over++;
        return;
    }
    teller(what, path);
}

static int look(const char *path, const struct stat *facts, int kind, struct FTW *place) {
    (void)place;
    seen++;
    if (kind == FTW_NS || kind == FTW_DNR) {
        tell("unreadable", path);
        return 0;
    }
    if (S_ISBLK(facts->st_mode) || S_ISCHR(facts->st_mode)) {
        tell("device", path);
    }
    if (S_ISREG(facts->st_mode) && (facts->st_mode & (S_ISUID | S_ISGID)) != 0) {
        tell("setuid", path);
    }
    if (!S_ISLNK(facts->st_mode) && (facts->st_mode & S_IWOTH) != 0 && !(S_ISDIR(facts->st_mode) && (facts->st_mode & S_ISVTX) != 0)) {
        tell("writable", path);
    }
    return 0;
}

int wy_probe_tree(const char *directory, wy_tree_tell *tell_one, unsigned *looked_at, unsigned *left_out) {
    teller = tell_one;
    if (nftw(directory, look, 64, FTW_PHYS | FTW_MOUNT) != 0) {
        tell("unreadable", directory);
    }
    *looked_at = seen;
    *left_out = over;
    return told == 0;
}
