// SPDX-License-Identifier: Apache-2.0
/*
 * contacts.h - who contacted whom, when: series of contacts for the beacon test
 *
 * A contact is (E1) a connection attempt, answered or not, a first datagram after a minute of
 * silence, a first ping, a DNS query; or (E2) a burst of the program's bytes after a second of
 * silence on a connection. Each is counted under three keys, since a program can hide behind
 * changing names: (program and its parent, registrable domain, protocol, port); (program, address,
 * port); (program, any destination that policy did not allow, but for what a protocol sends by the
 * clock). Multicast, broadcast and link-local are left out.
 */
#ifndef BELLJAR_JUDGE_CONTACTS_H
#define BELLJAR_JUDGE_CONTACTS_H

#include "judge/beacon.h"
#include "judge/rows.h"

#define CONTACT_SERIES_MAX 20000
#define CONTACT_TIMES_MAX  100000     /* of one series; later ones are counted, not judged */
#define CONTACT_TIMES_ALL  (4u << 20) /* of all series together, likewise */
#define CONTACT_SEQS_MAX   100
#define CONTACT_ASKED	   8 /* names that somebody looks up at the same time */

enum contact_by { CONTACT_BY_NAME, CONTACT_BY_ADDRESS, CONTACT_BY_UNDECLARED };
enum contact_what { CONTACT_CONNECTION, CONTACT_BURST, CONTACT_DNS };

/** struct routine - what all of some bursts were (BURST.routine) */
struct routine {
	struct str of; /* of the first; empty: there was none yet … */
	bool plain;    /* … or one was of none, or of another: then all of them are of none */
};
/** routine_note() - one more burst, of this routine, whose word must live on; empty: of none */
void routine_note(struct routine *r, struct str of);
/** routine_all() - the routine of all of them; empty: none */
struct str routine_all(const struct routine *r);

/** struct contacts - one series */
struct contacts {
	enum contact_by by;
	enum contact_what what;
	struct str image, parent_image, destination, name, protocol, answer;
	int64_t port;	/* 0 none */
	int64_t source; /* port, or identifier of pings, that all came from; 0 none, or different */
	uint32_t proc;
	double *t; /* seconds of box time; ascending after contact_book_end() */
	size_t n, cap;
	uint64_t all; /* also those beyond CONTACT_TIMES_MAX */
	uint64_t seq[CONTACT_SEQS_MAX];
	size_t nseqs;
	struct routine routine; /* of all bursts of its flows, both ways */
	int64_t size;		/* bytes of the last burst */
	uint64_t sizes, same;	/* bursts with a size; of them as large as the one before */
	/* DNS: the questions that have no answer yet, a name each (0 none), and when they were
	 * asked first */
	uint64_t asked[CONTACT_ASKED];
	double asked_at[CONTACT_ASKED];
};

struct contact_book;
struct contact_book *contact_book_new(void);
/** contact_book_event() - take the next event of a journal: PROCESS, FLOW, BURST, DNS count */
void contact_book_event(struct contact_book *b, const struct event *ev);
/** contact_book_end() - after the last event: times of a series are brought into order, since a
 * burst is told when it is over and the connections of a series have theirs at the same time */
void contact_book_end(struct contact_book *b);
size_t contact_book_series(const struct contact_book *b);
const struct contacts *contact_book_get(const struct contact_book *b, size_t i);
/** contact_book_full() - series or times were left out */
bool contact_book_full(const struct contact_book *b);
void contact_book_free(struct contact_book *b);

/* ---- one contact after the other, for who has no journal ----------------------------------- */

/** contact_series() - the series of contacts like this, begun if there is none; its number + 1, 0
 * when there are too many. Texts of @like are copied */
uint32_t contact_series(struct contact_book *b, const struct contacts *like);
void contact_add(struct contact_book *b, uint32_t series, double t, uint64_t seq);
/** contact_burst() - a contact with a size */
void contact_burst(struct contact_book *b, uint32_t series, double t, uint64_t seq, int64_t size);
/** contact_take_back() - the contact at @t, one of the last, was none for this series */
void contact_take_back(struct contact_book *b, uint32_t series, double t, uint64_t seq);
/** contact_routine() - what is said on a flow of this series, in either direction, is of this
 * protocol's routine; empty: of none */
void contact_routine(struct contact_book *b, uint32_t series, struct str routine);
/** contact_question() - a DNS query for @name: one that is only asked again within half a minute,
 * since no answer came, is no contact */
void contact_question(struct contact_book *b, uint32_t series, double t, uint64_t seq,
		      struct str name);
/** contact_book_name() - series @i, which had no name, is of @name */
void contact_book_name(struct contact_book *b, size_t i, struct str name);
/** contact_book_allow() - series @i is with somebody who is declared */
void contact_book_allow(struct contact_book *b, size_t i);
/** contact_answered() - a question for @name has its answer */
void contact_answered(struct contact_book *b, uint32_t series, struct str name);
/** contact_is_near() - multicast, broadcast, link-local, loopback: nobody far away answers there */
bool contact_is_near(struct str address);
/** contact_is_private() - of an IPv4 network that is not routed (RFC 1918) */
bool contact_is_private(struct str address);
/** contact_transport_is_near() - of a DNS event: asked of all neighbours */
bool contact_transport_is_near(struct str transport);
/** contact_by_name() - @like by the registrable domain of its name. @domain: room, at least 256 */
void contact_by_name(struct contacts *like, char domain[256]);
/** contact_any() - @like by nothing but who contacts: all that is undeclared */
void contact_any(struct contacts *like);

/** registrable_domain() - of a host name, by the public suffix list; the name itself when it has
 * none. @out: at least 256 bytes */
void registrable_domain(struct str name, char *out, size_t size);
/** below_domain() - the labels of @name before its registrable domain, without a reversed address
 * at their front (four numbers, or 32 digits): what somebody chose for this question. A part of
 * @name; empty for a domain itself and for names of addresses */
struct str below_domain(struct str name);

#endif
