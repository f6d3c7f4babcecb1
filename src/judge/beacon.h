// SPDX-License-Identifier: Apache-2.0
/*
 * beacon.h - are the times of somebody's contacts too regular for chance?
 *
 * Scale-free statistics of the intervals d_1 … d_n between contacts, each compared with what n
 * exponential draws (contacts without memory) give. Small means regular:
 *
 *   S1  trimmed Greenwood: without the largest tenth, m·Σx²/(Σx)²
 *   S2  atoms: mean of the lowest 80 % of nearest-neighbour distances of ln d (few fixed values:
 *       missed beats, back-off ladders, two modes)
 *   S3  folding: minus the greatest |Σ e^(2πi·d/T)|/n with positive real part, T from median/6 to
 *       1.3·median in steps of 3 %; the period is the T with the greatest real part
 *   S4  bounded support: without the largest d, (max − min)/mean
 *   S5  largest interval: max/mean, the sharpest test of even spread (jitter of 100 %)
 *
 * p = min(1, 5·min p_i). Randomness is never evidence: only regularity is told.
 */
#ifndef BELLJAR_JUDGE_BEACON_H
#define BELLJAR_JUDGE_BEACON_H

#include "base/base.h"

#define BEACON_STATS	 5
#define BEACON_MIN	 4   /* intervals; with fewer nothing is said */
#define BEACON_BLOCK	 200 /* intervals that are judged together */
#define BEACON_FLAG	 0.01
#define BEACON_QUANTILES 24

/** struct beacon - what the times say */
struct beacon {
	size_t contacts, intervals;
	bool too_few;
	double p;		     /* of all segments together; 1 when too_few */
	double stat_p[BEACON_STATS]; /* of the largest segment */
	double period;		     /* seconds, estimated by folding */
	double median;		     /* seconds */
	double jitter;		     /* (Q3 − Q1)/median */
	size_t blocks,
		flagged; /* of BEACON_BLOCK intervals or one for each segment; p ≤ BEACON_FLAG */
	size_t regular_start; /* first intervals that are equal within 5 %, when later ones spread;
			       * else 0 */
};

/** beacon_test() - @t: times in seconds, ascending, @n of them; may hold equal times */
void beacon_test(const double *t, size_t n, struct beacon *ret);

/** beacon_stats() - the statistics of @n intervals (all > 0); *@ret_period by folding */
void beacon_stats(const double *d, size_t n, double ret[BEACON_STATS], double *ret_period);
/** beacon_p() - how often chance gives a statistic as small: table of @n, interpolated */
double beacon_p(int stat, size_t n, double value);

/* beacon_null.c, written by bench/beacon_null: quantiles of the statistics under chance */
extern const double beacon_null_p[BEACON_QUANTILES];
extern const unsigned beacon_null_n[];
extern const size_t beacon_null_rows;
extern const float beacon_null_q[][BEACON_STATS][BEACON_QUANTILES];

#endif
