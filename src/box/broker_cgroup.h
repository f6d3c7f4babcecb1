// SPDX-License-Identifier: Apache-2.0
/*
 * broker_cgroup.h - cgroups of boxes; what changes them runs in the broker, as root
 *
 * Each box has one cgroup belljar/NAME per hierarchy that is there: the controllers memory, pids
 * and cpu in the unified hierarchy or, where these are still version 1, in theirs; and the
 * unified hierarchy for cgroup.kill, even without controllers.
 */
#ifndef BELLJAR_BOX_BROKER_CGROUP_H
#define BELLJAR_BOX_BROKER_CGROUP_H

#include "box/box.h"

#define CGROUP_NAME_MAX 47 /* [a-z0-9-] */

int cgroup_make(const char *name, pid_t pid, const struct box_limits *limits, char ret_how[256]);
/** cgroup_remove() - kill what is left in it, wait for that, remove it everywhere */
int cgroup_remove(const char *name);
/** cgroup_sweep() - remove cgroups of ours in which no process is left. Return: whether one stays
 */
bool cgroup_sweep(void);
/** cgroup_find() - where the text of mountinfo says a controller ("" unified) is mounted */
bool cgroup_find(const char *mountinfo, const char *controller, char ret[4096], bool *ret_v2);

#endif
