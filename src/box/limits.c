// SPDX-License-Identifier: Apache-2.0
#include "box/runtime.h"
struct limits {
	char text[512];
};
struct limits *limits_before(struct box_run *run UNUSED, struct go *ret_go)
{
	ret_go->nproc = ret_go->pid_max = ret_go->shmall = true;
	return xcalloc(1, sizeof(struct limits));
}
void limits_ready(struct box_run *run, const struct report *ready UNUSED)
{
	run->walls.nproc = run->limits_set.pids;
}
int limits_due_ms(struct limits *l UNUSED)
{
	return -1;
}
void limits_check(struct box_run *run UNUSED)
{
}
void limits_no_fork(struct box_run *run UNUSED)
{
}
const char *limits_text(const struct limits *l)
{
	return l->text;
}
void limits_free(struct box_run *run)
{
	free(run->limits);
}
