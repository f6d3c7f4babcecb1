// SPDX-License-Identifier: Apache-2.0
/*
 * capture_export.c - a run's capture file as other tools want it: who sent each packet, TLS secrets
 *
 * The file of a run is written by the gate process, which knows no processes; here each packet of
 * a known flow gets a comment. The secrets come first, since Wireshark uses them for the packets
 * that follow.
 */
#include "gate/decode/packet.h"
#include "gate/gate.h"
#include "gate/pcap/capfile.h"
#include "gate/pcap/pcapng.h"

#define WRITE_AT (1u << 20)

static bool ports(const struct packet *p, struct addr *src, struct addr *dst)
{
	if (p->fragment || p->n < 4 || (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP))
		return false;
	*src = p->src;
	*dst = p->dst;
	src->port = (uint16_t)(p->p[0] << 8 | p->p[1]);
	dst->port = (uint16_t)(p->p[2] << 8 | p->p[3]);
	return true;
}

/* Either end may be the box's: the one who asks knows only flows as they began. */
static const char *comment_of(const struct gate_export *e, const struct capfile_packet *c)
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
	struct addr src, dst;
	struct packet p;
	const char *who;
	bool tcp;

	if (packet_read(c->link, c->p, c->n, &p) || !ports(&p, &src, &dst))
		return NULL;
	tcp = p.protocol == IPPROTO_TCP;
	addr_text(&src, a);
	addr_text(&dst, b);
	who = e->who(e->ctx, c->t, tcp, a, src.port, b, dst.port);
	return who ? who : e->who(e->ctx, c->t, tcp, b, dst.port, a, src.port);
}

static int flush(int fd, struct buf *out, struct err *err)
{
	int rc = out->n ? write_full(fd, out->p, out->n) : 0;

	out->n = 0;
	return rc ? err_set(err, rc, "gate: write the capture") : 0;
}

int gate_export_capture(const struct gate_export *e, struct err *err)
{
	struct buf out = { .limit = 4 * WRITE_AT + 2 * CAPFILE_PACKET_MAX + e->keylog_n };
	struct capfile_packet p;
	struct capfile *f;
	int rc = capfile_open(e->in, &f, err);

	if (rc)
		return rc;
	pcapng_begin(&out, NULL, "Linux", "belljar " BELLJAR_VERSION);
	if (e->keylog_n)
		pcapng_secrets(&out, e->keylog, e->keylog_n);
	while ((rc = capfile_next(f, &p, err)) == 1) {
		size_t n = p.n < PCAPNG_SNAPLEN ? p.n : PCAPNG_SNAPLEN;

		pcapng_packet(&out, p.t, p.p, n, p.full_n, comment_of(e, &p));
		if (out.n > WRITE_AT && (rc = flush(e->out, &out, err)))
			break;
	}
	if (!rc)
		rc = flush(e->out, &out, err);
	buf_free(&out);
	capfile_free(f);
	return rc;
}
