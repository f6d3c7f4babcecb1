// SPDX-License-Identifier: Apache-2.0
/*
 * regular_words.c - what the beacon test found, for people who know no statistics
 *
 * The spread is (Q3 - Q1)/median: half of all pauses differ by no more than that share of the
 * median. Beyond half a median nobody calls it regular: what the test has found is that the pauses
 * have a pattern (a few lengths, a smallest and a largest one) that pauses of chance have not.
 */
#include "judge/judge.h"

#define EQUAL	0.02
#define UNEVEN	0.5
#define CHANCES 1e6 /* beyond, the test's own table has no numbers */

static void length(struct buf *o, double seconds)
{
	if (seconds < 10)
		buf_printf(o, "%.1f seconds", seconds);
	else if (seconds < 120)
		buf_printf(o, "%.0f seconds", seconds);
	else if (seconds < 7200)
		buf_printf(o, "%.0f minutes", seconds / 60);
	else
		buf_printf(o, "%.1f hours", seconds / 3600);
}

void regular_words(struct buf *o, double period, double jitter, double p)
{
	bool uneven = jitter >= UNEVEN;

	buf_puts(o, uneven ? "at uneven times that follow a pattern, with pauses about "
			   : "about every ");
	length(o, period);
	if (uneven)
		buf_puts(o, " and others; such a pattern comes by chance");
	else if (jitter < EQUAL)
		buf_puts(o, ", half of the pauses nearly equal; so regular by chance");
	else
		buf_printf(o,
			   ", half of the pauses differ by at most %.0f %%; so regular by chance",
			   100 * jitter);
	buf_printf(o, " once in %.0f cases%s", p * CHANCES > 1 ? 1 / p : CHANCES,
		   p * CHANCES > 1 ? "" : " or less");
}
