// SPDX-License-Identifier: Apache-2.0
/*
 * beacon.c - the statistics of beacon.h
 *
 * Contacts closer than max(1 s, 2 % of the median interval) are one. So no interval is shorter, by
 * chance or not: what is compared with chance is how much longer they are, which for contacts
 * without memory is exponential again. (Else busy conversations, whose messages are told apart by a
 * second of silence, would all look regular.) A silence longer than 8
 * medians cuts the series (a machine that slept, a program that was not running): the segments are
 * judged alone and joined by Fisher's method, so that regularity between pauses is not lost. And
 * where there are many such silences, contacts may come together because who asks for orders does
 * so with several questions: then the times at which they begin are judged as well.
 */
#include <math.h>

#include "judge/beacon.h"

#define MERGE_SECONDS 1.0
#define MERGE_SHARE   0.02
#define LEAST	      1e-3 /* seconds: of an interval that just is one */
#define GAP_MEDIANS   8.0
#define VISITS_MIN    8	   /* silences between contacts that come together */
#define START_MIN     3	   /* equal intervals at the start that are told */
#define START_WITHIN  0.05 /* … equal within this share */
#define START_SPREAD  0.25 /* and the later ones spread at least so much: (Q3 − Q1)/median */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double *sorted(const double *v, size_t n)
{
	double *s = xcalloc(n + 1, sizeof(*s));

	memcpy(s, v, n * sizeof(*s));
	qsort(s, n, sizeof(*s), by_size);
	return s;
}

static double quantile(const double *s, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 < n ? s[i] + (at - (double)i) * (s[i + 1] - s[i]) : s[n - 1];
}

/* ---- the five ----------------------------------------------------------------------------- */

static double greenwood(const double *s, size_t n)
{
	size_t m = n - (n + 9) / 10;
	double sum = 0, squares = 0;

	for (size_t i = 0; i < m; i++) {
		sum += s[i];
		squares += s[i] * s[i];
	}
	return (double)m * squares / (sum * sum);
}

static double atoms(const double *s, size_t n)
{
	double *near = xcalloc(n, sizeof(*near)), sum = 0;
	size_t low = n * 4 / 5;

	for (size_t i = 0; i < n; i++) {
		double left = i ? log(s[i] / s[i - 1]) : INFINITY;
		double right = i + 1 < n ? log(s[i + 1] / s[i]) : INFINITY;

		near[i] = left < right ? left : right;
	}
	qsort(near, n, sizeof(*near), by_size);
	for (size_t i = 0; i < low; i++)
		sum += near[i];
	free(near);
	return sum / (double)low;
}

/* The intervals as phases of T, added up: their mean direction, and how long it is. */
static double phases(const double *d, size_t n, double T, double *ret_length)
{
	double re = 0, im = 0;

	for (size_t i = 0; i < n; i++) {
		double a = 2 * M_PI * d[i] / T;

		re += cos(a);
		im += sin(a);
	}
	*ret_length = re > 0 ? hypot(re, im) / (double)n : 0;
	return re;
}

#define AS_GOOD 0.95 /* the median is the period when it folds nearly as well as the best T */

static double folding(const double *d, size_t n, double median, double *ret_period)
{
	double best = 0, aligned = 0, T = median / 6, r;

	*ret_period = median;
	while (T <= median * 1.3) {
		double re = phases(d, n, T, &r);

		if (r > best)
			best = r;
		/* a long T turns all phases alike; the period is where they are near zero */
		if (re > aligned) {
			aligned = re;
			*ret_period = T;
		}
		T *= 1.03;
	}
	/* whatever repeats after T fits into T / 2, T / 3, … as well */
	if (phases(d, n, median, &r) >= AS_GOOD * aligned)
		*ret_period = median;
	return -best;
}

static double support(const double *s, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i + 1 < n; i++)
		sum += s[i];
	return (s[n - 2] - s[0]) * (double)(n - 1) / sum;
}

static double largest(const double *s, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += s[i];
	return s[n - 1] * (double)n / sum;
}

void beacon_stats(const double *d, size_t n, double ret[BEACON_STATS], double *ret_period)
{
	double *s = sorted(d, n);

	ret[0] = greenwood(s, n);
	ret[1] = atoms(s, n);
	ret[2] = folding(d, n, quantile(s, n, 0.5), ret_period);
	ret[3] = support(s, n);
	ret[4] = largest(s, n);
	free(s);
}

/* ---- against chance ----------------------------------------------------------------------- */

/* In one row of the table: between quantiles, the logarithm of p is a line. */
static double p_in_row(const float *q, double value)
{
	size_t k = 0;

	while (k < BEACON_QUANTILES && value > q[k])
		k++;
	if (k == 0)
		return value == q[0] ? beacon_null_p[0] : beacon_null_p[0] / 2;
	if (k == BEACON_QUANTILES)
		return 1;
	if (q[k] <= q[k - 1])
		return beacon_null_p[k];
	return exp(log(beacon_null_p[k - 1]) +
		   (value - q[k - 1]) / (q[k] - q[k - 1]) *
			   (log(beacon_null_p[k]) - log(beacon_null_p[k - 1])));
}

double beacon_p(int stat, size_t n, double value)
{
	size_t r = 0;
	double a, b, w;

	while (r + 1 < beacon_null_rows && beacon_null_n[r + 1] <= n)
		r++;
	a = p_in_row(beacon_null_q[r][stat], value);
	if (beacon_null_n[r] == n || r + 1 == beacon_null_rows)
		return a;
	b = p_in_row(beacon_null_q[r + 1][stat], value);
	w = (double)(n - beacon_null_n[r]) / (double)(beacon_null_n[r + 1] - beacon_null_n[r]);
	return exp((1 - w) * log(a) + w * log(b));
}

/* Fisher: −2 Σ ln p has 2k degrees of freedom; its tail in closed form. */
static double fisher(const double *p, size_t k)
{
	double x = 0, term = 1, sum = 0;

	for (size_t i = 0; i < k; i++)
		x -= log(p[i]);
	for (size_t j = 0; j < k; j++) {
		sum += term;
		term *= x / (double)(j + 1);
	}
	sum *= exp(-x);
	return sum < 1 ? sum : 1;
}

/* Of several stretches: all of them a little regular, or one very. */
static double together(const double *p, size_t k)
{
	double all = fisher(p, k), one = 1, both;

	if (k == 1)
		return all;
	for (size_t i = 0; i < k; i++)
		one = fmin(one, p[i]);
	both = 2 * fmin(all, (double)k * one);
	return both < 1 ? both : 1;
}

/* ---- a series ----------------------------------------------------------------------------- */

/** struct series - intervals, and what was found in their segments */
struct series {
	double *d;
	double *free;  /* what of them chance is free to choose */
	double closer; /* contacts closer than this are one */
	size_t n;
	double *p;
	size_t np;
	size_t largest;
};

static void merge(const double *t, size_t n, struct series *s)
{
	double last = t[0];

	s->n = 0;
	for (size_t i = 1; i < n; i++) {
		if (t[i] - last < s->closer)
			continue;
		s->d[s->n] = t[i] - last;
		s->free[s->n] = fmax(s->d[s->n] - s->closer, LEAST);
		s->n++;
		last = t[i];
	}
}

static void judge_block(struct series *s, size_t from, size_t n, struct beacon *ret)
{
	double stat[BEACON_STATS], p[BEACON_STATS], best = 1, period;

	if (n < BEACON_MIN)
		return;
	beacon_stats(s->free + from, n, stat, &period);
	period += s->closer;
	for (int i = 0; i < BEACON_STATS; i++) {
		p[i] = beacon_p(i, n, stat[i]);
		best = p[i] < best ? p[i] : best;
	}
	best = BEACON_STATS * best < 1 ? BEACON_STATS * best : 1;
	s->p[s->np++] = best;
	ret->blocks++;
	ret->flagged += best <= BEACON_FLAG;
	if (n > s->largest) {
		s->largest = n;
		ret->period = period;
		memcpy(ret->stat_p, p, sizeof(p));
	}
}

static void judge_segments(struct series *s, double gap, struct beacon *ret)
{
	for (size_t from = 0; from < s->n;) {
		size_t to = from;

		while (to < s->n && s->d[to] <= gap && to - from < BEACON_BLOCK)
			to++;
		/* what is left of a block is no series of its own */
		if (to < s->n && to - from == BEACON_BLOCK && s->n - to < BEACON_MIN)
			to = s->n;
		judge_block(s, from, to - from > BEACON_BLOCK ? BEACON_BLOCK : to - from, ret);
		from = to < s->n && s->d[to] > gap ? to + 1 : to;
	}
}

static size_t regular_start(const struct series *s, double jitter)
{
	size_t k = 1;

	if (jitter < START_SPREAD || s->n < 2 * START_MIN)
		return 0;
	while (k < s->n && fabs(s->d[k] - s->d[0]) <= START_WITHIN * s->d[0])
		k++;
	return k >= START_MIN && k < s->n ? k : 0;
}

/** struct visits - where a silence ended: contacts that came together, as one each */
struct visits {
	double *t;
	size_t n;
	double gap; /* none is shorter */
};

static void find_visits(const struct series *s, double begin, struct visits *ret)
{
	double t = begin;

	ret->t = xcalloc(s->n + 1, sizeof(*ret->t));
	ret->t[ret->n++] = begin;
	for (size_t i = 0; i < s->n; i++) {
		t += s->d[i];
		if (s->d[i] > ret->gap)
			ret->t[ret->n++] = t;
	}
}

static void judge_series(const double *t, size_t n, double closer, struct beacon *ret,
			 struct visits *ret_visits)
{
	struct series s = { .closer = closer };
	double *order;

	*ret = (struct beacon){ .contacts = n, .p = 1, .too_few = true };
	if (n < 2)
		return;
	s.d = xcalloc(n, sizeof(*s.d));
	s.p = xcalloc(n, sizeof(*s.p));
	s.free = xcalloc(n, sizeof(*s.free));
	merge(t, n, &s);
	if (s.n) {
		order = sorted(s.d, s.n);
		if (MERGE_SHARE * quantile(order, s.n, 0.5) > s.closer) {
			s.closer = MERGE_SHARE * quantile(order, s.n, 0.5);
			merge(t, n, &s);
		}
		free(order);
	}
	ret->contacts = s.n + 1;
	ret->intervals = s.n;
	if (s.n >= BEACON_MIN) {
		order = sorted(s.d, s.n);
		ret->median = ret->period = quantile(order, s.n, 0.5);
		ret->jitter =
			(quantile(order, s.n, 0.75) - quantile(order, s.n, 0.25)) / ret->median;
		free(order);
		judge_segments(&s, GAP_MEDIANS * ret->median, ret);
		ret->regular_start = regular_start(&s, ret->jitter);
		if (s.np) {
			ret->too_few = false;
			ret->p = together(s.p, s.np);
		}
		ret_visits->gap = GAP_MEDIANS * ret->median;
		find_visits(&s, t[0], ret_visits);
	}
	free(s.d);
	free(s.free);
	free(s.p);
}

void beacon_test(const double *t, size_t n, struct beacon *ret)
{
	struct visits visits = { 0 }, none = { 0 };
	struct beacon wide;
	double p;

	judge_series(t, n, MERGE_SECONDS, ret, &visits);
	if (visits.n >= VISITS_MIN) {
		judge_series(visits.t, visits.n, visits.gap, &wide, &none);
		if (wide.too_few || ret->too_few) {
			*ret = wide.too_few ? *ret : wide;
		} else {
			p = fmin(1, 2 * fmin(ret->p, wide.p));
			*ret = wide.p < ret->p ? wide : *ret;
			ret->p = p;
		}
	}
	free(visits.t);
	free(none.t);
}
