// SPDX-License-Identifier: Apache-2.0
/*
 * gate_read.c - capture files of every kind give the same flows; streams are put in order,
 * fragments together, and what is missing is told
 */
#include <sys/mman.h>

#include "probe.h"

#include "gate/decode/be.h"
#include "gate/decode/packet.h"
#include "gate/gate.h"
#include "gate/pcap/order.c"
#include "gate/pcap/read_flows.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { PROGRAM, SERVER };

/* ---- packets ------------------------------------------------------------------------------ */

struct wire {
	struct buf file;
	bool big, nano, ng;
	uint16_t link;
	bool v6;
	uint32_t seq[2]; /* of the last segment's end */
	uint64_t t;	 /* us */
};

static void put(struct wire *w, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++) {
		uint8_t b = (uint8_t)(v >> 8 * (w->big ? bytes - 1 - i : i));

		buf_add(&w->file, &b, 1);
	}
}

static void block(struct wire *w, uint32_t type, const struct buf *body)
{
	size_t n = (body->n + 3) & ~3ul;

	put(w, type, 4);
	put(w, n + 12, 4);
	buf_add(&w->file, body->p, body->n);
	buf_add(&w->file, "\0\0\0", n - body->n);
	put(w, n + 12, 4);
}

static void begin_file(struct wire *w)
{
	struct wire body = { .big = w->big };

	w->file.n = 0;
	if (!w->ng) {
		put(w, w->nano ? 0xa1b23c4d : 0xa1b2c3d4, 4);
		put(w, 2, 2);
		put(w, 4, 2);
		put(w, 0, 8);
		put(w, 65535, 4);
		put(w, w->link, 4);
		return;
	}
	put(&body, 0x1a2b3c4d, 4);
	put(&body, 1, 2);
	put(&body, 0, 2);
	put(&body, UINT64_MAX, 8);
	block(w, 0x0a0d0d0a, &body.file);
	for (int i = 0; i < 2;
	     i++) { /* the second interface is used, the first is of another kind */
		body.file.n = 0;
		put(&body, i ? w->link : LINK_NULL, 2);
		put(&body, 0, 2);
		put(&body, 0, 4);
		put(&body, 9, 2); /* if_tsresol */
		put(&body, 1, 2);
		put(&body, w->nano ? 9 : 6, 1);
		put(&body, 0, 3);
		block(w, 1, &body.file);
	}
	buf_free(&body.file);
}

static void add_frame(struct wire *w, const struct buf *frame, size_t cut)
{
	struct wire body = { .big = w->big };
	uint64_t t = 1700000000000000 + w->t;

	w->t += 1000;
	if (!w->ng) {
		put(w, t / 1000000, 4);
		put(w, t % 1000000 * (w->nano ? 1000 : 1), 4);
		put(w, frame->n - cut, 4);
		put(w, frame->n, 4);
		buf_add(&w->file, frame->p, frame->n - cut);
		return;
	}
	t *= w->nano ? 1000 : 1;
	put(&body, 1, 4);
	put(&body, t >> 32, 4);
	put(&body, t & 0xffffffff, 4);
	put(&body, frame->n - cut, 4);
	put(&body, frame->n, 4);
	buf_add(&body.file, frame->p, frame->n - cut);
	block(w, 6, &body.file);
	buf_free(&body.file);
}

static void link_head(struct wire *w, struct buf *f)
{
	static const struct {
		uint16_t link;
		struct str head[2]; /* IPv4, IPv6 */
	} heads[] = {
		{ LINK_ETHERNET,
		  { STR("aaaaaabbbbbb\x08\0"),
		    STR("aaaaaabbbbbb\x88\xa8\0\1\x81\0\0\2\x86\xdd") } },
		{ LINK_RAW, { STR(""), STR("") } },
		{ LINK_NULL, { STR("\2\0\0\0"), STR("\0\0\0\x1e") } },
		{ LINK_SLL, { STR("aabbccddeeffgg\x08\0"), STR("aabbccddeeffgg\x86\xdd") } },
		{ LINK_SLL2,
		  { STR("\x08\0ccddeeffgghhiijjkk"), STR("\x86\xdd"
							 "ccddeeffgghhiijjkk") } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if (heads[i].link == w->link) {
			buf_add(f, heads[i].head[w->v6].p, heads[i].head[w->v6].n);
			return;
		}
	fail();
}

static const uint8_t ends[2][16] = { { 192, 0, 2, 5 }, { 198, 51, 100, 7 } };

/* IPv6 with a hop-by-hop and a destination header on the way; fragment: offset and more, else 0 */
static void add_ip(struct wire *w, int from, uint8_t protocol, const void *p, size_t n,
		   uint16_t fragment, size_t cut)
{
	cleanup_buf struct buf f = { 0 };
	uint8_t head[40 + 24] = { 0 };
	size_t head_n = 20;
	struct wr r = { head, head + sizeof(head), false };

	link_head(w, &f);
	if (w->v6) {
		head_n = fragment ? 64 : 56;
		wr_be32(&r, 6u << 28);
		wr_be16(&r, (uint16_t)(n + head_n - 40));
		wr_u8(&r, 0);
		wr_u8(&r, 64);
		wr_bytes(&r, ends[from], 16);
		wr_bytes(&r, ends[!from], 16);
		wr_be32(&r, (fragment ? 44u : 60u) << 24);
		wr_be32(&r, 0);
		if (fragment) {
			wr_be32(&r,
				60u << 24 | (uint32_t)(fragment & 0x1fff) << 3 | fragment >> 13);
			wr_be32(&r, 0x1234567);
		}
		/* in the first fragment alone */
		if (!(fragment & 0x1fff)) {
			wr_be32(&r, (uint32_t)protocol << 24);
			wr_be32(&r, 0);
		} else {
			head_n -= 8;
			head[5] = (uint8_t)(n + head_n - 40);
		}
	} else {
		wr_be32(&r, 0x45000000u | (uint32_t)(n + 20));
		wr_be16(&r, 77);
		wr_be16(&r, fragment);
		wr_u8(&r, 64);
		wr_u8(&r, protocol);
		wr_be16(&r, 0);
		wr_bytes(&r, ends[from], 4);
		wr_bytes(&r, ends[!from], 4);
	}
	buf_add(&f, head, head_n);
	buf_add(&f, p, n);
	add_frame(w, &f, cut);
}

static void add_tcp_at(struct wire *w, int from, uint8_t flags, uint32_t seq, const void *p,
		       size_t n, size_t cut)
{
	cleanup_buf struct buf b = { 0 };
	uint8_t head[20] = { 0 };
	struct wr r = { head, head + 20, false };

	wr_be16(&r, from == PROGRAM ? 40000 : 80);
	wr_be16(&r, from == PROGRAM ? 80 : 40000);
	wr_be32(&r, seq);
	wr_be32(&r, w->seq[!from]);
	wr_u8(&r, 0x50);
	wr_u8(&r, flags);
	buf_add(&b, head, 20);
	buf_add(&b, p, n);
	add_ip(w, from, 6, b.p, b.n, 0, cut);
}

static void add_tcp(struct wire *w, int from, uint8_t flags, const char *text)
{
	add_tcp_at(w, from, flags, w->seq[from], text, strlen(text), 0);
	w->seq[from] += (uint32_t)strlen(text) + !!(flags & (SYN | FIN));
}

static void add_udp(struct wire *w, int from, const char *p, size_t n)
{
	cleanup_buf struct buf b = { 0 };
	uint8_t head[8] = { 0 };
	struct wr r = { head, head + 8, false };

	wr_be16(&r, from == PROGRAM ? 40000 : 53);
	wr_be16(&r, from == PROGRAM ? 53 : 40000);
	wr_be16(&r, (uint16_t)(n + 8));
	buf_add(&b, head, 8);
	buf_add(&b, p, n);
	add_ip(w, from, 17, b.p, b.n, 0, 0);
}

static void open_tcp(struct wire *w)
{
	w->seq[PROGRAM] = 0xfffffff0; /* goes over the end of the numbers soon */
	w->seq[SERVER] = 1000;
	add_tcp(w, PROGRAM, SYN, "");
	add_tcp(w, SERVER, SYN | ACK, "");
	add_tcp(w, PROGRAM, ACK, "");
}

static void close_tcp(struct wire *w)
{
	add_tcp(w, PROGRAM, FIN | ACK, "");
	add_tcp(w, SERVER, FIN | ACK, "");
	add_tcp(w, PROGRAM, ACK, "");
}

/* ---- reading ------------------------------------------------------------------------------ */

static int event(void *ctx, const struct event *ev)
{
	struct event copy = *ev;

	probe_event(ctx, &copy);
	return 0;
}

static const char *read_wire(struct wire *w, struct probe *p, int want,
			     struct gate_read_stats *stats)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct err err = { 0 };

	assert_int_equal(write_full(fd, w->file.p, w->file.n), 0);
	lseek(fd, 0, SEEK_SET);
	p->lines.n = 0;
	p->events = 0;
	assert_int_equal(gate_read_file(fd, event, p, stats, &err), want);
	if (want)
		assert_int_equal(err.exit, EXIT_CORRUPT);
	close(fd);
	return buf_z(&p->lines);
}

#define FLOWS                                                                                      \
	" op flow protocol src src_port dst dst_port answer app bytes_out bytes_in bursts end "
#define REQUEST "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define ANSWER	"HTTP/1.1 204 No\r\n\r\n"

static void test_every_kind_of_file_and_link_gives_the_same(void **state UNUSED)
{
	static const uint16_t links[] = { LINK_ETHERNET, LINK_RAW, LINK_NULL, LINK_SLL, LINK_SLL2 };
	struct probe p = { .columns = FLOWS, .kinds = 1u << EV_FLOW | 1u << EV_GAP };

	for (unsigned i = 0; i < 8 * 2 * ARRAY_SIZE(links); i++) {
		struct wire w = {
			.big = i & 1, .nano = i & 2, .ng = i & 4, .v6 = i & 8, .link = links[i / 16]
		};
		struct gate_read_stats s;
		char want[1024];
		const char *src = w.v6 ? "c000:205::" : "192.0.2.5";
		const char *dst = w.v6 ? "c633:6407::" : "198.51.100.7";

		begin_file(&w);
		open_tcp(&w);
		add_tcp(&w, PROGRAM, PSH | ACK, REQUEST);
		w.t += 1500000;
		add_tcp(&w, SERVER, PSH | ACK, ANSWER);
		close_tcp(&w);
		snprintf(
			want, sizeof(want),
			"flow op=begin flow=1 protocol=tcp src=%s src_port=40000 dst=%s dst_port=80\n"
			"flow op=end flow=1 protocol=tcp src=%s src_port=40000 dst=%s dst_port=80 "
			"app=http bytes_out=28 bytes_in=19 bursts=1 end=closed\n",
			src, dst, src, dst);
		assert_string_equal(read_wire(&w, &p, 0, &s), want);
		assert_true(s.packets == 8 && s.flows == 1 && !s.skipped);
		p.kinds = 1u << EV_BURST;
		p.columns = " dir last_ns ";
		assert_string_equal(
			read_wire(&w, &p, 0, &s),
			"burst dir=out last_ns=3000000\nburst dir=in last_ns=1504000000\n");
		p.kinds = 1u << EV_FLOW | 1u << EV_GAP;
		p.columns = FLOWS;
		buf_free(&w.file);
	}
	probe_free(&p);
}

static void test_segments_in_any_order_twice_and_overlapping(void **state UNUSED)
{
	struct probe p = { .columns = " target status detail app bytes_out end ",
			   .kinds = 1u << EV_HTTP | 1u << EV_GAP | 1u << EV_FLOW };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;
	static const char text[] = REQUEST;
	uint32_t at;

	begin_file(&w);
	open_tcp(&w);
	at = w.seq[PROGRAM];
	add_tcp_at(&w, PROGRAM, ACK, at + 20, text + 20, 8, 0);
	add_tcp_at(&w, PROGRAM, ACK, at + 10, text + 10, 5, 0);
	add_tcp_at(&w, PROGRAM, ACK, at + 8, "zzxxxxxxxxxxxxxx", 16, 0); /* its middle is late */
	add_tcp_at(&w, PROGRAM, ACK, at, text, 8, 0);
	add_tcp_at(&w, PROGRAM, ACK, at, "yyyyyyyy", 8, 0); /* again, with other bytes */
	add_tcp_at(&w, PROGRAM, ACK, at - 1, "k", 1, 0);    /* keep-alive */
	w.seq[PROGRAM] = at + 28;
	close_tcp(&w);
	/* bytes 8, 9, 15 to 19 are those of the third segment */
	assert_string_equal(read_wire(&w, &p, 0, &s),
			    "flow\n"
			    "gap detail=flow 1 was not decoded to its end: no HTTP head where one "
			    "should be\n"
			    "flow app=http bytes_out=28 end=closed\n");
	buf_free(&w.file);
	probe_free(&p);
}

static void test_what_the_capture_lacks_is_told(void **state UNUSED)
{
	struct probe p = { .columns = " target detail bytes_out end ",
			   .kinds = 1u << EV_HTTP | 1u << EV_GAP | 1u << EV_FLOW };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;
	static const char post[] =
		"POST /b HTTP/1.1\r\nContent-Length: 60\r\n\r\n123456789012345678901234567890";

	begin_file(&w);
	open_tcp(&w);
	/* thirty bytes of the body are cut off by the snap length, ten never came: they were sent
	 */
	add_tcp_at(&w, PROGRAM, ACK, w.seq[PROGRAM], post, sizeof(post) - 1, 10);
	w.seq[PROGRAM] += sizeof(post) - 1 + 30;
	add_tcp(&w, PROGRAM, ACK, REQUEST);
	close_tcp(&w);
	assert_string_equal(read_wire(&w, &p, 0, &s), "flow\nhttp target=/b\nhttp target=/a\n"
						      "flow bytes_out=128 end=closed\n");
	begin_file(&w);
	open_tcp(&w);
	add_tcp(&w, PROGRAM, ACK, "GET /lost");
	w.seq[PROGRAM] += 1;
	add_tcp(&w, PROGRAM, ACK, "HTTP/1.1\r\n\r\n");
	assert_string_equal(
		read_wire(&w, &p, 0, &s),
		"flow\ngap detail=flow 1 was not decoded to its end: bytes are missing\n"
		"flow bytes_out=22\n");
	buf_free(&w.file);
	probe_free(&p);
}

static void test_how_connections_begin_and_end(void **state UNUSED)
{
	struct probe p = { .columns = " op flow src_port dst_port answer end ",
			   .kinds = 1u << EV_FLOW };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;

	begin_file(&w);
	add_tcp(&w, PROGRAM, SYN, "");
	add_tcp(&w, SERVER, RST | ACK, "");
	add_tcp(&w, PROGRAM, SYN, ""); /* the same ends again: another flow */
	w.seq[PROGRAM]--;
	add_tcp(&w, PROGRAM, SYN, "");
	add_tcp(&w, SERVER, ACK, "x");
	add_tcp(&w, PROGRAM, RST, "");
	add_tcp(&w, SERVER, ACK, "late"); /* of what has ended */
	w.seq[PROGRAM] += 1000;
	add_tcp(&w, PROGRAM, SYN, "");
	assert_string_equal(
		read_wire(&w, &p, 0, &s),
		"flow op=begin flow=1 src_port=40000 dst_port=80\n"
		"flow op=end flow=1 src_port=40000 dst_port=80 answer=refused end=refused\n"
		"flow op=begin flow=2 src_port=40000 dst_port=80\n"
		"flow op=end flow=2 src_port=40000 dst_port=80 end=reset\n"
		"flow op=begin flow=3 src_port=40000 dst_port=80\n"
		"flow op=end flow=3 src_port=40000 dst_port=80 answer=unanswered\n");
	/* begun before the capture: the port tells who is the program */
	begin_file(&w);
	add_tcp(&w, SERVER, ACK, "");
	add_tcp(&w, SERVER, ACK, ANSWER);
	assert_string_equal(read_wire(&w, &p, 0, &s),
			    "flow op=begin flow=1 src_port=40000 dst_port=80\n"
			    "flow op=end flow=1 src_port=40000 dst_port=80\n");
	assert_int_equal(s.packets, 2);
	buf_free(&w.file);
	probe_free(&p);
}

#define QUESTION "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"

static void add_ping(struct wire *w, int from, uint8_t type, const char *content)
{
	char b[64] = { (char)type, 0, 0, 0, 0x12, 0x34, 0, 1 };

	memcpy(b + 8, content, strlen(content));
	add_ip(w, from, w->v6 ? 58 : 1, b, 8 + strlen(content), 0, 0);
}

static void test_pings_are_a_flow_and_its_bursts(void **state UNUSED)
{
	struct probe p = { .columns = " op flow protocol src_port dst_port answer bursts bytes "
				      "dir end ",
			   .kinds = 1u << EV_FLOW | 1u << EV_BURST | 1u << EV_BANNER };
	struct gate_read_stats s;

	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = { .link = LINK_RAW, .v6 = v6 };

		begin_file(&w);
		for (int i = 0; i < 3; i++) {
			add_ping(&w, PROGRAM, v6 ? 128 : 8, i ? "" : "order?");
			add_ping(&w, SERVER, v6 ? 129 : 0, i ? "" : "order?");
			w.t += i == 1 ? 70000000 : 30000000;
		}
		add_ping(&w, SERVER, v6 ? 1 : 3, "nobody is there");
		assert_string_equal(
			read_wire(&w, &p, 0, &s),
			"flow op=begin flow=1 protocol=icmp src_port=4660\n"
			"burst flow=1 dir=out bytes=14\n"
			"burst flow=1 dir=in bytes=14\n"
			"burst flow=1 dir=out bytes=8\n"
			"burst flow=1 dir=in bytes=8\n"
			"flow op=end flow=1 protocol=icmp src_port=4660 bursts=2 end=timeout\n"
			"flow op=begin flow=2 protocol=icmp src_port=4660\n"
			"burst flow=2 dir=out bytes=8\n"
			"burst flow=2 dir=in bytes=8\n"
			"flow op=end flow=2 protocol=icmp src_port=4660 bursts=1\n");
		assert_int_equal(s.skipped, 1);
		buf_free(&w.file);
	}
	probe_free(&p);
}

static void test_a_pause_ends_a_udp_flow(void **state UNUSED)
{
	struct probe p = { .columns = " op flow answer app end ", .kinds = 1u << EV_FLOW };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;

	begin_file(&w);
	add_udp(&w, PROGRAM, QUESTION, sizeof(QUESTION) - 1);
	w.t += 59000000;
	add_udp(&w, PROGRAM, QUESTION, sizeof(QUESTION) - 1);
	w.t += 61000000;
	add_udp(&w, SERVER, QUESTION, sizeof(QUESTION) - 1);
	assert_string_equal(read_wire(&w, &p, 0, &s),
			    "flow op=begin flow=1\n"
			    "flow op=end flow=1 answer=unanswered app=dns end=timeout\n"
			    "flow op=begin flow=2\n"
			    "flow op=end flow=2 app=dns\n");
	buf_free(&w.file);
	probe_free(&p);
}

static void test_fragments_are_put_together(void **state UNUSED)
{
	struct probe p = { .columns = " op name type bytes_out ",
			   .kinds = 1u << EV_DNS | 1u << EV_FLOW };
	static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 } };
	/* a question with an OPT record of padding, in three parts */
	uint8_t udp[8 + 24 + 11 + 100] =
		"\x9c\x40\0\x35\0\x8f\0\0\x12\x34\1\0\0\1\0\0\0\0\0\1\1a\4test\0\0\1"
		"\0\1\0\0\x29\4\xd0\0\0\0\0\0\x64";

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
		struct wire w = { .link = LINK_RAW, .v6 = i & 1 };
		struct gate_read_stats s;

		begin_file(&w);
		for (int k = 0; k < 3; k++) {
			int part = orders[i / 2][k];
			/* the first of IPv6 holds a header of eight bytes, which counts */
			size_t shift = w.v6 && part ? 8 : 0, at = 48 * (size_t)part;
			size_t n = part == 2 ? sizeof(udp) - at : 48;

			add_ip(&w, PROGRAM, 17, udp + at, n,
			       (uint16_t)((at + shift) / 8 | (part == 2 ? 0 : 0x2000)), 0);
			/* an overlap that lies about what came */
			if (part == 1)
				add_ip(&w, PROGRAM, 17, "zzzzzzzz", 8,
				       (uint16_t)((at + shift) / 8 | 0x2000), 0);
		}
		assert_string_equal(read_wire(&w, &p, 0, &s), "flow op=begin\n"
							      "dns op=query name=a.test type=A\n"
							      "flow op=end bytes_out=135\n");
		buf_free(&w.file);
	}
	probe_free(&p);
}

/* A datagram of @n bytes behind these headers, each of eight bytes, or of as many more as @longer
 * says in its own unit. @chain: the types, ended by 255. */
static void add_chain(struct wire *w, const uint8_t *chain, uint8_t longer, size_t n)
{
	cleanup_buf struct buf f = { 0 };
	uint8_t head[40] = { 0x60 }, udp[8] = { 0x9c, 0x40, 0x27, 0x0f };
	static const uint8_t zero[100000];
	size_t body = 8 + n;

	link_head(w, &f);
	for (int i = 0; chain[i] != 255; i++)
		body += chain[i] == 51 ? (longer + 2u) * 4 : (longer + 1u) * 8;
	head[6] = chain[0] == 255 ? 17 : chain[0];
	if (body <= 65535) { /* else 0: a jumbogram (RFC 2675) */
		head[4] = (uint8_t)(body >> 8);
		head[5] = (uint8_t)body;
		udp[4] = (uint8_t)((n + 8) >> 8);
		udp[5] = (uint8_t)(n + 8);
	}
	memcpy(head + 8, ends[PROGRAM], 16);
	memcpy(head + 24, ends[SERVER], 16);
	buf_add(&f, head, 40);
	for (int i = 0; chain[i] != 255; i++) {
		uint8_t h[2] = { chain[i + 1] == 255 ? 17 : chain[i + 1],
				 chain[i] == 44 ? 0 : longer };

		buf_add(&f, h, 2);
		buf_add(&f, zero, (chain[i] == 51 ? (longer + 2u) * 4 : (longer + 1u) * 8) - 2);
	}
	buf_add(&f, udp, 8);
	buf_add(&f, zero, n);
	add_frame(w, &f, 0);
}

static void test_headers_between_ipv6_and_what_it_carries(void **state UNUSED)
{
	static const struct {
		const char *words;
		uint8_t chain[16], longer;
		size_t n;
		bool read;
	} rows[] = {
		{ "none", { 255 }, 0, 5, true },
		{ "hop-by-hop options", { 0, 255 }, 0, 5, true },
		{ "a routing header", { 43, 255 }, 0, 5, true },
		{ "a long routing header", { 43, 255 }, 200, 5, true },
		{ "destination options", { 60, 255 }, 1, 5, true },
		{ "a fragment that is all of it", { 44, 255 }, 0, 5, true },
		{ "destination options behind that", { 44, 60, 255 }, 0, 5, true },
		{ "authentication, which counts in fours", { 51, 255 }, 2, 5, true },
		{ "mobility, HIP, shim6", { 135, 139, 140, 255 }, 0, 5, true },
		{ "all that RFC 8200 names, in its order",
		  { 0, 60, 43, 44, 51, 60, 255 },
		  0,
		  5,
		  true },
		{ "twelve", { 0, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 255 }, 0, 5, true },
		{ "thirteen",
		  { 0, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 255 },
		  0,
		  5,
		  false },
		{ "no next header", { 60, 59, 255 }, 0, 5, false },
		{ "what is encrypted", { 50, 255 }, 0, 5, false },
		{ "a jumbogram", { 0, 255 }, 0, 70000, true },
	};
	struct probe p = { .columns = " op bytes_out ", .kinds = 1u << EV_FLOW };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wire w = { .link = LINK_RAW, .v6 = true };
		struct gate_read_stats s;
		char want[100] = "";

		begin_file(&w);
		add_chain(&w, rows[i].chain, rows[i].longer, rows[i].n);
		if (rows[i].read)
			snprintf(want, sizeof(want), "flow op=begin\nflow op=end bytes_out=%zu\n",
				 rows[i].n);
		if (strcmp(read_wire(&w, &p, 0, &s), want))
			fail_msg("%s: %s", rows[i].words, p.lines.p);
		assert_int_equal(s.skipped, !rows[i].read);
		buf_free(&w.file);
	}
	probe_free(&p);
}

static void test_headers_that_are_longer_than_their_packet(void **state UNUSED)
{
	static const uint8_t chain[] = { 0, 60, 255 };
	struct probe p = { .columns = " op ", .kinds = 1u << EV_FLOW };

	/* the second header claims up to 2040 bytes more than there are */
	for (unsigned k = 1; k < 256; k++) {
		struct wire w = { .link = LINK_RAW, .v6 = true };
		struct gate_read_stats s;

		begin_file(&w);
		add_chain(&w, chain, 0, 5);
		w.file.p[w.file.n - 5 - 8 - 8 + 1] = (char)k;
		assert_string_equal(read_wire(&w, &p, 0, &s), "");
		assert_int_equal(s.skipped, 1);
		buf_free(&w.file);
	}
	probe_free(&p);
}

static void test_damage_and_cuts(void **state UNUSED)
{
	struct probe p = { .columns = " op ", .kinds = 1u << EV_FLOW };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;
	size_t whole;

	for (int ng = 0; ng < 2; ng++) {
		w.ng = ng;
		begin_file(&w);
		add_udp(&w, PROGRAM, QUESTION, sizeof(QUESTION) - 1);
		whole = w.file.n;
		add_udp(&w, PROGRAM, QUESTION, sizeof(QUESTION) - 1);
		for (size_t n = whole; n < w.file.n; n++) {
			struct wire cut = w;

			cut.file.n = n;
			assert_string_equal(read_wire(&cut, &p, 0, &s),
					    "flow op=begin\nflow op=end\n");
			assert_int_equal(s.packets, 1);
			assert_int_equal(s.skipped, n != whole);
		}
		memset(w.file.p + whole + 4, 0x7f, 12);
		assert_string_equal(read_wire(&w, &p, -EBADMSG, &s),
				    "flow op=begin\nflow op=end\n");
		assert_int_equal(s.packets, 1);
	}
	w.file.n = 20;
	read_wire(&w, &p, -EBADMSG, &s);
	memset(w.file.p, 'x', 100);
	w.file.n = 100;
	read_wire(&w, &p, -EBADMSG, &s);
	buf_free(&w.file);
	probe_free(&p);
}

static void test_flows_are_limited(void **state UNUSED)
{
	struct probe p = { .columns = "", .kinds = 1u << EV_GAP };
	struct wire w = { .link = LINK_RAW };
	struct gate_read_stats s;

	begin_file(&w);
	for (unsigned i = 0; i < READ_FLOWS_MAX + 5; i++) {
		size_t at;

		w.t = 0;
		add_udp(&w, PROGRAM, "x", 1);
		at = w.file.n - 1 - 8 - 8; /* source address */
		memcpy(w.file.p + at, &(uint32_t){ i }, 4);
	}
	read_wire(&w, &p, 0, &s);
	assert_int_equal(s.flows, READ_FLOWS_MAX + 5);
	assert_int_equal(s.early, 5);
	assert_int_equal(p.events, 4 * (READ_FLOWS_MAX + 5)); /* begin, banner, burst, end */
	buf_free(&w.file);
	probe_free(&p);
}

/* ---- order.c alone: any cutting of a stream gives the stream --------------------------------- */

struct got {
	uint8_t p[4096];
	size_t n, lost;
};

static void got_bytes(void *ctx, const uint8_t *p, size_t n)
{
	struct got *g = ctx;

	memcpy(g->p + g->n + g->lost, p, n);
	g->n += n;
}

static void got_lost(void *ctx, uint64_t n)
{
	((struct got *)ctx)->lost += n;
}

static void test_any_cutting_gives_the_stream(void **state UNUSED)
{
	uint32_t dice = 1;
	uint8_t stream[4096];

	for (size_t i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)(i * 7 + i / 256);
	for (int round = 0; round < 500; round++) {
		struct got g = { 0 };
		struct order_to to = { &g, got_bytes, got_lost };
		struct order o = { 0 };
		uint32_t start = round * 0x01234567u;
		bool lose = round % 2;

		order_begin(&o, start);
		for (int i = 0; i < 100; i++) {
			size_t at, n, have;

			dice = dice * 1664525 + 1013904223;
			at = dice >> 8 & 4095;
			dice = dice * 1664525 + 1013904223;
			n = 1 + (dice >> 8) % 60;
			n = n < 4096 - at ? n : 4096 - at;
			have = lose && i % 5 == 0 ? n / 2 : n;
			order_segment(&o, start + (uint32_t)at, stream + at, have, n, &to);
		}
		for (size_t at = 0; !lose && at < 4096; at += 512)
			order_segment(&o, start + (uint32_t)at, stream + at, 512, 512, &to);
		order_flush(&o, &to);
		if (!lose) {
			assert_int_equal(g.lost, 0);
			assert_int_equal(g.n, 4096);
			assert_memory_equal(g.p, stream, 4096);
		}
		for (size_t i = 0; i < g.n + g.lost; i++)
			assert_true(g.p[i] == stream[i] || (lose && !g.p[i]));
		assert_true(!o.waiting && !o.nwaiting && !o.waiting_bytes);
		order_free(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_file_and_link_gives_the_same),
		cmocka_unit_test(test_segments_in_any_order_twice_and_overlapping),
		cmocka_unit_test(test_what_the_capture_lacks_is_told),
		cmocka_unit_test(test_how_connections_begin_and_end),
		cmocka_unit_test(test_a_pause_ends_a_udp_flow),
		cmocka_unit_test(test_pings_are_a_flow_and_its_bursts),
		cmocka_unit_test(test_fragments_are_put_together),
		cmocka_unit_test(test_headers_between_ipv6_and_what_it_carries),
		cmocka_unit_test(test_headers_that_are_longer_than_their_packet),
		cmocka_unit_test(test_damage_and_cuts),
		cmocka_unit_test(test_flows_are_limited),
		cmocka_unit_test(test_any_cutting_gives_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
