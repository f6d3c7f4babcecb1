// SPDX-License-Identifier: Apache-2.0
/*
 * beacons.c - how well regular contacts are told from chance, beside RITA's formula
 *
 *   beacons [SERIES]     so many series of each kind (default 2000), fixed seed
 *
 * Beacons: nine schedules. Others: contacts without memory, sessions of people (lognormal gaps),
 * contacts of a working day. Each with N contacts, spread over 24 hours or within 4 of them. F1 is
 * balanced: beacons and others weigh the same, each schedule and each kind of others too.
 */
#include <math.h>

#include "judge/beacon.h"

#define N_MAX 48
#define DAY   86400.0

static uint64_t state = 20201125;

static double uniform(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* ---- series: N times within @span seconds -------------------------------------------------- */

static void jittered(double *t, int n, double T, double j)
{
	for (int i = 1; i < n; i++)
		t[i] = t[i - 1] + T * (1 + j * (2 * uniform() - 1));
}

static void missed(double *t, int n, double T)
{
	for (int i = 1; i < n; i++) {
		t[i] = t[i - 1];
		do
			t[i] += T * (0.75 + 0.5 * uniform());
		while (uniform() < 0.3);
	}
}

static void three_then_random(double *t, int n, double T)
{
	for (int i = 1; i < n; i++)
		t[i] = t[i - 1] + (i <= 3 ? T : T * (0.2 + 1.6 * uniform()));
}

static void ladder(double *t, int n, double T)
{
	static const int step[] = { 1, 2, 4, 8, 16 };

	for (int i = 1; i < n; i++)
		t[i] = t[i - 1] + T * step[(i - 1) % 5] * (0.98 + 0.04 * uniform());
}

static void poisson(double *t, int n, double T)
{
	for (int i = 1; i < n; i++)
		t[i] = t[i - 1] - T * log(uniform());
}

static void people(double *t, int n, double T)
{
	for (int i = 1; i < n; i++)
		t[i] = t[i - 1] + T * exp(1.5 * normal() - 1.125);
}

static void working_day(double *t, int n, double T)
{
	for (int i = 0; i < n; i++)
		t[i] = uniform() * T * n;
	qsort(t, (size_t)n, sizeof(*t), by_size);
}

enum { BEACONS = 9, OTHERS = 3, KINDS = BEACONS + OTHERS };
static const char *const names[KINDS] = {
	"jitter 0 %",	"jitter 10 %",	     "jitter 25 %",	   "jitter 50 %", "jitter 75 %",
	"jitter 100 %", "25 %, 30 % missed", "three, then random", "back-off",	  "without memory",
	"people",	"working day"
};

static void make(int kind, double *t, int n, double T)
{
	static const double j[] = { 0, 0.1, 0.25, 0.5, 0.75, 1 };

	t[0] = 0;
	if (kind < 6)
		jittered(t, n, T, j[kind]);
	else if (kind == 6)
		missed(t, n, T);
	else if (kind == 7)
		three_then_random(t, n, T);
	else if (kind == 8)
		ladder(t, n, T);
	else if (kind == 9)
		poisson(t, n, T);
	else if (kind == 10)
		people(t, n, T);
	else
		working_day(t, n, T);
}

/* ---- RITA v5, as published ----------------------------------------------------------------- */

static double median_of(const double *s, size_t n)
{
	return n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
}

static double round3(double x)
{
	return round(x * 1000) / 1000;
}

static double rita_stat(double *x, size_t n, double dflt)
{
	double q1, q2, q3, dev[N_MAX], mad, skew, score;

	qsort(x, n, sizeof(*x), by_size);
	q1 = median_of(x, n / 2);
	q2 = median_of(x, n);
	q3 = median_of(x + (n + 1) / 2, n / 2);
	for (size_t i = 0; i < n; i++)
		dev[i] = fabs(x[i] - q2);
	qsort(dev, n, sizeof(*dev), by_size);
	mad = median_of(dev, n);
	skew = q3 - q1 < 10 || q2 == q1 || q2 == q3 ? 0 : (q1 + q3 - 2 * q2) / (q3 - q1);
	score = q2 >= 1 ? fmax(0, (q2 - mad) / q2) : dflt;
	return round3((1 - fabs(skew) + score) / 2);
}

static double rita_histogram(const double *t, int n, double from, double window, int *ret_bars,
			     int *ret_run)
{
	double bin[24] = { 0 }, mean = n / 24.0, var = 0, largest = 0, cv, cv_score, fit = 0;
	int run = 0, groups[64] = { 0 }, first = 0, second = 0;

	for (int i = 0; i < n; i++)
		bin[(int)fmin(23, (t[i] - from) / window * 24)]++;
	*ret_bars = *ret_run = 0;
	for (int i = 0; i < 48; i++) {
		run = bin[i % 24] > 0 ? run + 1 : 0;
		*ret_run = run > *ret_run ? run : *ret_run;
	}
	*ret_run = *ret_run > 24 ? 24 : *ret_run;
	for (int i = 0; i < 24; i++) {
		*ret_bars += bin[i] > 0;
		var += (bin[i] - mean) * (bin[i] - mean) / 24;
		largest = fmax(largest, bin[i]);
	}
	cv = sqrt(var) / mean;
	cv_score = cv > 1 ? 0 : round3(1 - cv);
	if (*ret_bars >= 11) {
		double bs = ceil(0.05 * largest);

		for (int i = 0; i < 24; i++)
			if (bin[i] > 0)
				groups[(int)(floor(bin[i] / bs) * bs) % 64]++;
		for (int i = 0; i < 64; i++) {
			if (groups[i] > first) {
				second = first;
				first = groups[i];
			} else if (groups[i] > second) {
				second = groups[i];
			}
		}
		fit = fmin(1, (double)(first + second) / fmax(*ret_bars - 1, 1));
	}
	return fmax(cv_score, fit);
}

/* Sizes: what a beacon sends is the same each time, what others send is not. */
static double rita(const double *times, int n, bool beacon)
{
	double t[N_MAX], d[N_MAX], size[N_MAX], ts, ds, hist, dur = 0, window = DAY;
	size_t nd = 0;
	int bars, run;

	for (int i = 0; i < n; i++) {
		t[i] = floor(times[i]);
		size[i] = beacon ? 300 : floor(300 * exp(normal()));
		if (i && t[i] - t[i - 1] > 0)
			d[nd++] = t[i] - t[i - 1];
	}
	if (n < 4 || nd < 3)
		return 0;
	ts = rita_stat(d, nd, 1);
	ds = rita_stat(size, (size_t)n, 0);
	hist = rita_histogram(t, n, 0, window, &bars, &run);
	if (bars >= 6)
		dur = fmax(fmin(1, (t[n - 1] - t[0]) / window), fmin(1, run / 12.0));
	return round3((ts + ds + hist + dur) / 4);
}

/* ---- the table ----------------------------------------------------------------------------- */

struct rates {
	double hit[KINDS];
};

static double f1(const struct rates *r, double *ret_fpr)
{
	double tpr = 0, fpr = 0;

	for (int k = 0; k < KINDS; k++)
		*(k < BEACONS ? &tpr : &fpr) += r->hit[k] / (k < BEACONS ? BEACONS : OTHERS);
	*ret_fpr = fpr;
	return 2 * tpr / (2 * tpr + fpr + (1 - tpr));
}

#define THRESHOLDS 200

static void setting(int n, bool short_active, int series)
{
	static const double levels[] = { 0.01, 0.05 };
	struct rates ours[2] = { 0 }, fixed = { 0 }, best[THRESHOLDS] = { 0 };
	double T = (short_active ? DAY / 6 : DAY) / n, fpr, top = 0;

	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < series; i++) {
			double t[N_MAX], score;
			struct beacon b;

			make(k, t, n, T);
			if (k == 8) /* the ladder's mean step is 6.2 */
				make(k, t, n, T / 6.2);
			beacon_test(t, (size_t)n, &b);
			for (int l = 0; l < 2; l++)
				ours[l].hit[k] += (b.p <= levels[l]) / (double)series;
			score = rita(t, n, k < BEACONS);
			fixed.hit[k] += (score >= 0.7) / (double)series;
			for (int h = 0; h < THRESHOLDS; h++)
				best[h].hit[k] +=
					(score >= h / (double)THRESHOLDS) / (double)series;
		}
	for (int h = 0; h < THRESHOLDS; h++)
		top = fmax(top, f1(&best[h], &fpr));
	printf("| %d | %s | %.2f | %.2f |", n, short_active ? "4 of 24 h" : "24 h",
	       f1(&fixed, &fpr), top);
	for (int l = 0; l < 2; l++) {
		double score = f1(&ours[l], &fpr);

		printf(" %.3f (%.3f) |", score, fpr);
	}
	printf("\n");
	if (n == 24 && !short_active) {
		fprintf(stderr,
			"\nShare told at N = 24 over 24 h, p <= 0.01:\n\n| schedule | share |\n"
			"|---|---|\n");
		for (int k = 0; k < KINDS; k++)
			fprintf(stderr, "| %s | %.3f |\n", names[k], ours[0].hit[k]);
	}
}

int main(int argc, char **argv)
{
	int series = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2000;
	static const int ns[] = { 12, 24, 48 };

	printf("| N | active | RITA >= 0.7 | RITA, best threshold | belljar p <= 0.01 (FPR) | p <= "
	       "0.05 (FPR) |\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(ns); i++)
		for (int active = 0; active < 2; active++)
			setting(ns[i], active, series);
	return 0;
}
