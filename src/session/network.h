// SPDX-License-Identifier: Apache-2.0
/*
 * network.h - a run's network: what is asked for, the box's policy, the gate of a session
 */
#ifndef BELLJAR_SESSION_NETWORK_H
#define BELLJAR_SESSION_NETWORK_H

#include "box/box.h"
#include "capture/capture.h"
#include "gate/gate.h"

#define NETWORK_WORDS_MAX 1024 /* --allow, --deny and --tls-open of one command */

/** struct network_opts - as given; zero: the box's own policy, or 'declared' with an empty list */
struct network_opts {
	bool off, mode_given, silent, refuse;
	enum gate_mode mode;
	enum box_net_by by;
	char *policy_text; /* --policy FILE, read while we still may */
	size_t policy_n;
	const char *policy_file;
	int nwords;
	struct {
		enum { WORD_ALLOW, WORD_DENY, WORD_TLS_OPEN } what;
		const char *text;
	} word[NETWORK_WORDS_MAX];
	const char *answers;
	int answers_fd; /* when answers is set */
	unsigned nxdomain_first;
};

/** struct network - of a session */
struct network {
	struct gate *gate;
	struct box *box;
	struct gate_canary canary[64]; /* both strings are its own */
	int ncanaries;
	int watch; /* inotify of the box's folder, -1 */
	int pcap, keylog;
	struct shared shared;	/* .uses, which the gate process reads */
	struct port_uses *uses; /* written by the recorder */
	enum box_net_by by;	/* as it is */
	const char *word;	/* for the record: off, closed, declared, open */
	struct gate_manners manners;
};

/** network_start() - policy, and the gate process; after box_start(), before there are threads
 * @lapse: the box's own time, its clock at an address that a child of ours may read; NULL: real
 * time
 * @keep: the box has a folder and its record is kept: policy, capture file and content as well */
int network_start(struct network *n, const struct network_opts *o, struct box *box,
		  struct box_run *run, const struct recorder_lapse *lapse, bool keep,
		  struct err *err);
/** network_serve() - for run @nr, before the first program */
int network_serve(struct network *n, struct journal *j, struct recorder *rec, uint32_t nr,
		  struct err *err);
/** network_look() - has the policy file of the box changed? Return: false when the gate has failed
 */
bool network_look(struct network *n);
/**
 * network_cut() - as if the cable were pulled: nobody is reached, no name and no connection gets an
 * answer; false: as before. A box without a network has nothing to cut
 */
int network_cut(struct network *n, bool cut, struct err *err);
/** network_other_names() - names that meet the sinkhole have other addresses from now on */
int network_other_names(struct network *n, struct err *err);
void network_stop(struct network *n);
/** network_free() - after the recorder has stopped */
void network_free(struct network *n);

#endif
