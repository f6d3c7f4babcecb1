// SPDX-License-Identifier: Apache-2.0
/*
 * html.c - the report as one page
 */
#include "report/model.h"

int report_html(struct rep *rep UNUSED, struct buf *out UNUSED, struct err *err)
{
	return err_set(err, ENOSYS, "report: write a page");
}
