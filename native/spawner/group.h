#ifndef WAYANG_SPAWNER_GROUP_H
#define WAYANG_SPAWNER_GROUP_H

#include "spawner/cgroup.h"

/* Forgets the pooled groups (their directories go with the instance's). */
void wy_group_drop_pool(wy_cgroups *groups);

/* group_low.c. What is of class batch or idle gets its processor time beside all others of the runtime, not among them. `low_fd` of what
 * can be so is open; the rest is closed, and the parent weighed. */
void wy_low_settle(wy_cgroups *groups);

/* A group stays on the side that it was made on. */
bool wy_low_for_good(const wy_cgroups *groups);

/* Of a group that is made now for such a class: the side where it stays. */
bool wy_low_from_birth(const wy_cgroups *groups, uint32_t nice_class);

/* Whether a group out of the pool can serve a class. */
bool wy_low_fits(const wy_cgroups *groups, const wy_group *group, uint32_t nice_class);

/* Where `group` stands among the groups of a controller. */
int wy_group_dir(const wy_cgroups *groups, int controller, const wy_group *group);

/* Takes the side of a class, where that can change. True: it changed, and what was written of processor time has to be written anew. */
bool wy_group_take_side(wy_cgroups *groups, wy_group *group, uint32_t nice_class);

/* Those who are in it follow to its present side. */
void wy_group_move_members(const wy_cgroups *groups, const wy_group *group);

/* Its place on the other side goes, too. Empty. */
void wy_group_leave_low(const wy_cgroups *groups, wy_group *group);

/* group_io.c. Whether rates of I/O can be set. */
bool wy_io_usable(const wy_cgroups *groups);

/* Of a new group: its rates on every disk. 0, or -1 with errno. */
int wy_group_limit_io(const wy_cgroups *groups, wy_group *group, const wy_io_rates *rates);

/* Of all groups in the instance's group of that controller: what a predecessor left may be killed now. */
void wy_io_lift_below(int instance_fd);

#endif
