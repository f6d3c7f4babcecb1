// SPDX-License-Identifier: Apache-2.0
/*
 * beacon_null.c - what chance gives: writes src/judge/beacon_null.c
 *
 *   beacon_null [DRAWS] > src/judge/beacon_null.c
 *
 * For each number of intervals n: DRAWS times n exponential draws (fixed seed), the statistics of
 * each, and their quantiles. The statistics do not depend on the scale, so one table an n will do.
 */
#include <math.h>

#include "judge/beacon.h"

static const double ps[BEACON_QUANTILES] = { 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005,
					     0.0075, 0.01,   0.015, 0.02,  0.03,  0.05,
					     0.075,  0.1,    0.15,  0.2,   0.3,	  0.4,
					     0.5,    0.6,    0.7,   0.8,   0.9,	  1.0 };

static uint64_t state = 0x9e3779b97f4a7c15ull;

static double uniform(void) /* splitmix64, in (0, 1) */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void row(unsigned n, size_t draws)
{
	double *v[BEACON_STATS], d[BEACON_BLOCK], stat[BEACON_STATS], period;

	for (int k = 0; k < BEACON_STATS; k++)
		v[k] = xcalloc(draws, sizeof(double));
	for (size_t i = 0; i < draws; i++) {
		for (unsigned j = 0; j < n; j++)
			d[j] = -log(uniform());
		beacon_stats(d, n, stat, &period);
		for (int k = 0; k < BEACON_STATS; k++)
			v[k][i] = stat[k];
	}
	printf("\t{ /* %u */\n", n);
	for (int k = 0; k < BEACON_STATS; k++) {
		qsort(v[k], draws, sizeof(double), by_size);
		printf("\t  {");
		for (int q = 0; q < BEACON_QUANTILES; q++) {
			double at = ps[q] * (double)draws - 1;

			printf(" %.6gf,", v[k][at < 0 ? 0 : (size_t)at]);
		}
		printf(" },\n");
		free(v[k]);
	}
	printf("\t},\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t draws = argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
	unsigned ns[BEACON_BLOCK];
	size_t n = 0;

	for (unsigned i = BEACON_MIN; i <= BEACON_BLOCK; i += i < 40 ? 1 : i < 100 ? 5 : 10)
		ns[n++] = i;
	printf("// SPDX-License-Identifier: Apache-2.0\n/*\n * beacon_null.c - quantiles of the "
	       "statistics under chance, %zu draws a row\n *\n * Written by bench/beacon_null; not "
	       "to be edited.\n */\n#include \"judge/beacon.h\"\n\n/* clang-format off */\nconst "
	       "double beacon_null_p[BEACON_QUANTILES] = {",
	       draws);
	for (int q = 0; q < BEACON_QUANTILES; q++)
		printf(" %g,", ps[q]);
	printf(" };\nconst size_t beacon_null_rows = %zu;\nconst unsigned beacon_null_n[] = {", n);
	for (size_t i = 0; i < n; i++)
		printf(" %u,", ns[i]);
	printf(" };\nconst float beacon_null_q[][BEACON_STATS][BEACON_QUANTILES] = {\n");
	for (size_t i = 0; i < n; i++)
		row(ns[i], draws);
	printf("};\n");
	return 0;
}
