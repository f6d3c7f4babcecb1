// SPDX-License-Identifier: Apache-2.0
/*
 * contacts.h - who contacted whom, when: series of contacts for the beacon test
 *
 * A contact is (E1) a connection attempt, answered or not, a first datagram after a minute of
 * silence, a DNS query; or (E2) a burst of the program's bytes after a second of silence on a
 * connection. Each is counted under three keys, since a program can hide behind changing names:
 * (program and its parent, registrable domain, protocol, port); (program, address, port); (program,
 * any destination that policy did not allow). Multicast, broadcast and link-local are left out.
 */
#ifndef BELLJAR_JUDGE_CONTACTS_H
#define BELLJAR_JUDGE_CONTACTS_H

#include "judge/beacon.h"
#include "judge/rows.h"

#define CONTACT_SERIES_MAX 20000
#define CONTACT_TIMES_MAX  100000 /* of one series; later ones are counted, not judged */
#define CONTACT_SEQS_MAX   100

enum contact_by { CONTACT_BY_NAME, CONTACT_BY_ADDRESS, CONTACT_BY_UNDECLARED };
enum contact_what { CONTACT_CONNECTION, CONTACT_BURST, CONTACT_DNS };

/** struct contacts - one series */
struct contacts {
	enum contact_by by;
	enum contact_what what;
	struct str image, parent_image, destination, name, protocol, answer;
	int64_t port; /* 0 none */
	uint32_t proc;
	double *t; /* seconds of box time, ascending */
	size_t n, cap;
	uint64_t all; /* also those beyond CONTACT_TIMES_MAX */
	uint64_t seq[CONTACT_SEQS_MAX];
	size_t nseqs;
	int64_t size;	      /* bytes of the last burst */
	uint64_t sizes, same; /* bursts with a size; of them as large as the one before */
};

struct contact_book;
struct contact_book *contact_book_new(void);
/** contact_book_event() - take the next event of a journal: PROCESS, FLOW, BURST, DNS count */
void contact_book_event(struct contact_book *b, const struct event *ev);
size_t contact_book_series(const struct contact_book *b);
const struct contacts *contact_book_get(const struct contact_book *b, size_t i);
/** contact_book_full() - series were left out */
bool contact_book_full(const struct contact_book *b);
void contact_book_free(struct contact_book *b);

/** registrable_domain() - of a host name, by the public suffix list; the name itself when it has
 * none. @out: at least 256 bytes */
void registrable_domain(struct str name, char *out, size_t size);

#endif
