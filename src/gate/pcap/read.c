// SPDX-License-Identifier: Apache-2.0
/*
 * read.c - a capture file, decoded as the gate decodes a box's traffic
 */
#include <openssl/crypto.h>

#include "gate/decode/packet.h"
#include "gate/gate.h"
#include "gate/pcap/capfile.h"
#include "gate/pcap/read_flows.h"

struct reading {
	int (*fn)(void *ctx, const struct event *ev);
	void *ctx;
	int stopped; /* what fn returned */
	uint64_t start;
	bool begun;
	struct defrag *defrag;
	struct flows *flows;
	struct gate_read_stats stats;
};

static void event(void *ctx, struct event *ev)
{
	struct reading *r = ctx;

	if (!r->stopped)
		r->stopped = r->fn(r->ctx, ev);
}

static void read_packet(struct reading *r, const struct capfile_packet *c)
{
	struct packet p;
	int rc;

	r->stats.packets++;
	r->stats.bytes += c->full_n;
	if (!r->begun) {
		r->begun = true;
		r->start = c->t;
	}
	rc = packet_read(c->link, c->p, c->n, &p);
	if (!rc && p.fragment) {
		if (!defrag_add(r->defrag, &p))
			return;
		rc = p.src.v6 ? packet_extensions(&p) : 0;
	}
	if (rc || p.fragment) {
		r->stats.skipped++;
		return;
	}
	/* clocks that were set back: nothing happens before the beginning */
	if (!flows_packet(r->flows, c->t > r->start ? c->t - r->start : 0, &p))
		r->stats.skipped++;
}

static int read_all(struct reading *r, struct capfile *f, struct err *err)
{
	struct capfile_packet c;
	int rc;

	while (!r->stopped && (rc = capfile_next(f, &c, err)) > 0)
		read_packet(r, &c);
	if (!r->stopped)
		flows_end(r->flows);
	r->stats.skipped += capfile_cut(f);
	return r->stopped ? r->stopped : rc;
}

int gate_read_file(int fd, int (*fn)(void *ctx, const struct event *ev), void *ctx,
		   struct gate_read_stats *ret, struct err *err)
{
	struct reading r = { .fn = fn, .ctx = ctx };
	struct emit emit = { &r, event };
	struct capfile *f;
	int rc;

	/* the host's configuration of OpenSSL is nothing that a locked process could read */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	rc = capfile_open(fd, &f, err);
	if (rc)
		return rc;
	r.defrag = defrag_new();
	r.flows = flows_new(&emit);
	rc = read_all(&r, f, err);
	flows_count(r.flows, &r.stats.flows, &r.stats.early);
	flows_free(r.flows);
	defrag_free(r.defrag);
	capfile_free(f);
	*ret = r.stats;
	return rc;
}
