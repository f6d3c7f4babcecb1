// SPDX-License-Identifier: Apache-2.0
/*
 * changes_all.c - what differs, what packages say of it, what starts by itself: from one walk
 */
#include "capture/autostart/autostart.h"
#include "capture/truth/changes.h"

int changes_all_between(struct box *box, struct box_run *run, unsigned since,
			const struct changes_fns *fns, void *ctx, struct err *err)
{
	struct as_wanted *wanted = NULL;
	struct changeset set;
	int rc = changeset_read(box, run, since, &set, err), cut = 0;

	if (rc)
		return rc;
	if (fns->autostart)
		wanted = autostart_wanted(&set);
	changeset_pair(&set);
	rc = changeset_tell(&set, fns->file, ctx, err);
	if (rc == -E2BIG) {
		cut = rc;
		rc = 0;
	}
	/* a sentence about the cut is not to be lost to a later one */
	if (!rc && fns->packaged)
		rc = packaged_of(box, run, since, &set, fns->packaged, ctx, cut ? NULL : err);
	if (!rc && fns->autostart)
		rc = autostart_of(box, run, since, wanted, fns->autostart, ctx, cut ? NULL : err);
	as_wanted_free(wanted);
	changeset_free(&set);
	return cut ? cut : rc;
}
