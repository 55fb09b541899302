#ifndef WAYANG_SPAWNER_GROUP_H
#define WAYANG_SPAWNER_GROUP_H

#include "spawner/cgroup.h"

/* Forgets the pooled groups (their directories go with the instance's). */
void wy_group_drop_pool(wy_cgroups *groups);

#endif
