// SPDX-License-Identifier: Apache-2.0
/*
 * report.c - journal in, one of three formats out
 */
#include "report/model.h"

static int (*const format[])(struct rep *rep, struct buf *out, struct err *err) = {
	[REPORT_TEXT] = report_text,
	[REPORT_JSON] = report_json,
	[REPORT_HTML] = report_html,
};

int report_write(struct journal_reader *r, const struct report_opts *opts, int fd, struct err *err)
{
	cleanup_buf struct buf out = { 0 };
	struct rep *rep = xcalloc(1, sizeof(*rep));
	int rc;

	rc = model_make(rep, r, opts, err);
	if (!rc)
		rc = format[opts->format](rep, &out, err);
	if (!rc && out.overflow)
		rc = err_set(err, EFBIG, "report: write more than %u bytes", BUF_LIMIT_DEFAULT);
	if (!rc) {
		rc = write_full(fd, out.p, out.n);
		if (rc)
			rc = cannot_write(err, rc, "the report");
	}
	model_free(rep);
	free(rep);
	return rc;
}
