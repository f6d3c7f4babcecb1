// SPDX-License-Identifier: Apache-2.0
/*
 * inside.h - what the files of the gate process share
 *
 * Theory of operation
 *
 * One thread, one epoll loop (inside.c); a second thread only copies packets to the capture file
 * (ring.c). TPROXY delivers the box's TCP and UDP to the listeners; where a kernel has none,
 * frames.c reads packets off the interface and libslirp makes streams of them. Each connection, and
 * each pair of UDP addresses, is a *flow* (flow.c), which policy sends one of three ways: to the
 * resolver (port 53), to the sinkhole, or - after the desk has dialed - to the real peer.
 * relay_tcp.c and relay_udp.c move the bytes. Every byte passes flow_saw() before it goes on:
 * watch, canaries, content and counts see it, and what they find can still stop it.
 *
 * Back-pressure: a side is read only while the other side takes what is read; what a full side did
 * not take is one read's worth at most, and reads become small when much of that is held.
 *
 * A flow that has ended is freed after the events of the loop's turn, since some may name it.
 */
#ifndef BELLJAR_GATE_INSIDE_H
#define BELLJAR_GATE_INSIDE_H

#include "gate/canary/canary.h"
#include "gate/decode/watch.h"
#include "gate/gate.h"
#include "gate/inside/content.h"
#include "gate/inside/inject.h"
#include "gate/policy/policy.h"
#include "gate/policy/resolver.h"
#include "gate/sink/sink.h"
#include "gate/slirp/stack.h"
#include "gate/tls/opened.h"
#include "gate/wire.h"

#define FLOWS_OPEN_MAX 32768		  /* at once; more are refused, and that is recorded */
#define FILES_SPARE    48		  /* descriptors that are no flow's */
#define HOLD_MAX       (64u << 10)	  /* first bytes that wait for a decision */
#define HOLD_HTTP_NS   (NSEC_PER_SEC / 2) /* an unfinished head is no head after */
#define READ_BIG       (256u << 10)	  /* bytes a read */
#define READ_SMALL     (16u << 10)
#define READ_TINY      (2u << 10)
#define PENDING_MANY   (24u << 20) /* bytes held for full sides: then reads are tiny */
#define CONTENT_MEMORY (48u << 20)
#define DIAL_NS	       (30 * NSEC_PER_SEC) /* then nobody has answered */
#define CHECK_NS       (15 * NSEC_PER_SEC) /* then the server has not shown who it is */
#define UDP_IDLE_NS    (60 * NSEC_PER_SEC)
#define PASSED_NS      NSEC_PER_SEC /* time-lapse: so soon after bytes more may come from outside */
#define UDP_HELD_MAX   64	    /* datagrams that wait for a socket */
#define PCAP_FILE_MAX  (1ull << 30) /* bytes of a run's capture file */
#define ASKS_MAX       8192	    /* look-ups that wait for the desk */

enum source_kind {
	SOURCE_DESK,
	SOURCE_TCP,    /* listener */
	SOURCE_UDP,    /* listener */
	SOURCE_PING,   /* raw ICMP */
	SOURCE_ASTRAY, /* what goes out by the interface */
	SOURCE_FRAMES, /* the same, where everything does */
	SOURCE_CLIENT,
	SOURCE_SERVER,
	SOURCE_CHECK,
};

/** struct source - something in the epoll set */
struct source {
	enum source_kind kind;
	int fd;
	struct flow *flow;
};

/** struct side - one end of a TCP flow */
struct side {
	struct source src;
	struct stack_pipe *pipe; /* a program's, by libslirp */
	bool readable, writable; /* as far as we know: edge-triggered */
	bool eof;		 /* it has closed its direction */
	bool shut;		 /* we have closed ours */
	bool connecting;
	uint8_t *out; /* not taken yet */
	size_t out_n, out_at, out_cap;
};

enum way {
	WAY_REFUSED, /* ended at once */
	WAY_NAMES,   /* the resolver */
	WAY_SINK,
	WAY_PEER,
};

/** enum step - of WAY_PEER: what is between the program's first bytes and the peer */
enum step {
	STEP_HELLO,  /* not known yet what it is; held */
	STEP_CHECK,  /* TLS: is the peer who the SNI names? held */
	STEP_PASS,   /* bytes go on */
	STEP_OPENED, /* TLS that the gate opens */
};

/** struct queued - a flow's place in a queue */
struct queued {
	struct queued *next, *prev;
	struct flow *flow;
	uint64_t due;
	struct queue *in; /* NULL: in none */
};
/** struct queue - flows that wait equally long for something, so the first is due first */
struct queue {
	struct queued *first;
};

struct datagram {
	struct datagram *next;
	size_t n;
	uint8_t bytes[];
};

struct flow {
	struct flow_facts facts;
	uint64_t began;
	enum way way;
	enum step step;
	bool icmp, other, ended;
	const char *answer; /* FLOW.answer */
	char reason[256];
	char dialed[ADDR_TEXT_MAX + 8];
	const char
		*last_end; /* FLOW.end when both sides have closed and all is sent; NULL: closed */
	char refused[256]; /* set while its bytes are looked at: it must end */
	struct side client, server, check_side;
	uint32_t asks; /* look-ups that are out */
	struct queued wait, idle;
	/* what looks at its bytes */
	struct watch *watch, *inner;
	struct canary_stream *canary, *canary_inner;
	struct content content[2], content_inner[2];
	uint64_t bytes[2];
	/* what answers or decides */
	struct sink *sink;
	bool sink_says; /* it may have more to say when what it said is sent */
	struct opened *opened;
	struct check *check;
	struct hello hello;
	uint8_t *hold;
	size_t hold_n;
	uint64_t hold_since;
	/* UDP */
	struct flow *hash_next, *id_next;
	struct datagram *held, **held_end;
	int nheld;
	struct hello_quic *quic;
	bool port_gone;
	uint32_t use;		  /* of its port: another number means another socket */
	struct flow *next, *prev; /* all flows */
	struct flow *next_dead, *next_again;
	bool again;	/* there is more to do than a turn allows */
	uint32_t chunk; /* bytes a read */
	uint8_t files;	/* descriptors that it may come to hold */
};

struct ring;
struct frames;

struct inside {
	/* as the starter left them; see gate_start() */
	const struct gate_opts *opts;
	struct policy *policy;
	struct ca *ca;
	struct trust *trust;
	struct answers *answers;
	int desk, ep;
	int raw[2]; /* to the box's own address, for what we inject; IPv4, IPv6 */
	struct source desk_source, tcp[2], udp[2], ping[2], astray, frames_source;
	struct frames *frames; /* NULL: by TPROXY */
	uint64_t frames_due;   /* t of its next run */
	uint64_t t0;	       /* the box's CLOCK_MONOTONIC of t = 0 */
	uint64_t now;
	uint64_t box_time_ahead; /* of our CLOCK_REALTIME */
	uint64_t passed;	 /* CLOCK_MONOTONIC of the last bytes to or from outside */
	bool silent;		 /* --sink silent, or cut: see gate_set_manners() */
	bool cut;
	bool begun, ending;
	struct buf out; /* for the desk, sent at the end of a turn */
	struct emit emit;
	struct sink_env sink_env;
	struct opened_env opened_env;
	struct resolver *resolver;
	struct canaries *canaries;
	struct content_pool pool;
	struct flow *current; /* whose bytes are looked at */
	struct flow *flows, *dead, *again;
	uint32_t nflows, last_flow, last_ask;
	uint32_t files, files_max; /* descriptors that flows may come to hold */
	bool told_flows_max;
	size_t pending; /* bytes held for full sides */
	struct queue quiet, dialing, udp_idle, holding, checking;
	struct flow *udp_hash[4096], *by_id[4096];
	struct asked *asked; /* look-ups that are out */
	int nasked;
	struct checked *checked;
	struct unopened *unopened;
	struct ring *ring;
	uint8_t scratch[READ_BIG];
	uint8_t frame[INJECT_MAX];
};

/** inside_main() - all of the gate process's life; @arg: struct inside, @fd: the desk */
void inside_main(void *arg, int fd);

/* ---- inside.c ----------------------------------------------------------------------------- */
/** inside_now() - t of now */
uint64_t inside_now(const struct inside *in);
void inside_emit(struct inside *in, struct event *ev);
/** inside_ask() - a frame for the desk */
void inside_say(struct inside *in, enum wire_type type, const void *a, size_t na, const void *b,
		size_t nb);
int inside_watch(struct inside *in, struct source *s, uint32_t events); /* epoll */
/** inside_open() - listeners, raw and packet sockets, the loop's epoll; before the lock-down.
 * Return: 0 or -errno with @err */
int inside_open(struct inside *in, struct err *err);
void inside_inject(struct inside *in, size_t n); /* in->frame */

/* ---- flow.c: a flow's life ---------------------------------------------------------------- */
/** flow_begin() - judge it, tell its begin. NULL: over the limit; the flow may have ended already
 */
struct flow *flow_begin(struct inside *in, bool tcp, const struct addr *src,
			const struct addr *dst);
/** flow_begin_ping() - the same for echo requests; ports are the identifier */
struct flow *flow_begin_ping(struct inside *in, const struct addr *src, const struct addr *dst);
/** flow_begin_astray() - the same for what goes to nobody, @why */
struct flow *flow_begin_astray(struct inside *in, bool tcp, bool other, const struct addr *src,
			       const struct addr *dst, const char *why);
/** flow_reserve() - it may hold so many descriptors from now on. False: there are not so many */
bool flow_reserve(struct inside *in, struct flow *f, uint8_t files);
/** flow_saw() - bytes of it, before they go on. False: it has been ended because of them */
bool flow_saw(struct inside *in, struct flow *f, enum dir dir, const void *p, size_t n);
/** flow_saw_inside() - plain bytes within TLS */
void flow_saw_inside(struct inside *in, struct flow *f, enum dir dir, const void *p, size_t n);
/** flow_end() - tell its end and close its sockets. @end: FLOW.end; what is not 'closed' resets */
void flow_end(struct inside *in, struct flow *f, const char *end);
/** flow_refuse() - end it by policy */
void flow_refuse(struct inside *in, struct flow *f, const char *reason);
void flow_free_dead(struct inside *in);
/** flow_dial() - ask the desk for a socket to @f's destination; @check: the one for a check */
void flow_dial(struct inside *in, struct flow *f, bool check);
struct flow *flow_by_id(const struct inside *in, uint32_t id);
/** flows_rejudge() - the policy has changed */
void flows_rejudge(struct inside *in);
/** flow_dial_failed() - the desk could not, or nobody answers */
void flow_dial_failed(struct inside *in, struct flow *f, int code, const char *reason);
/** flow_peer_lost() - the peer's connection has failed with errno @code, and so has the program's
 */
void flow_peer_lost(struct inside *in, struct flow *f, int code);

/* ---- relay_tcp.c -------------------------------------------------------------------------- */
void tcp_accept(struct inside *in, struct source *s);
/** tcp_begins() - a connection. Takes @fd and @pipe; NULL: the kernel ends its TCP */
void tcp_begins(struct inside *in, const struct addr *src, const struct addr *dst, int fd,
		struct stack_pipe *pipe);
void tcp_event(struct inside *in, struct source *s, uint32_t events);
/** tcp_dialed() - the socket is there */
void tcp_dialed(struct inside *in, struct flow *f, bool check, int fd);
void tcp_quiet(struct inside *in, struct flow *f);     /* nothing was said since it began */
void tcp_held_long(struct inside *in, struct flow *f); /* first bytes wait too long */
void tcp_reply(struct inside *in, struct flow *f, const void *p, size_t n);
/** side_send() - now or later. Return: 0 or -errno */
int side_send(struct inside *in, struct side *s, const void *p, size_t n);
void side_close(struct inside *in, struct side *s, bool reset);
/** tcp_go_on() - after what stood in the way of a flow is gone */
void tcp_go_on(struct inside *in, struct flow *f);

/* ---- gatekeeping.c: the first bytes of a flow to a peer ----------------------------------- */
/** gate_first_bytes() - look at f->hold. Return: true when it is decided (or ended) */
bool gate_first_bytes(struct inside *in, struct flow *f, bool last);
/** gate_check_step() - bytes of the check's connection, or its end; what to send goes to its side
 */
void gate_check_step(struct inside *in, struct flow *f, const void *p, size_t n, bool eof);
/** gate_chain_shown() - on the program's own connection the server shows these certificates, in
 * clear: a watch_chain_fn. The flow is refused when they do not hold for the name */
const char *gate_chain_shown(void *ctx, const uint8_t *p, size_t n);
/** gate_check_late() - the server has not shown in time who it is */
void gate_check_late(struct inside *in, struct flow *f);
/** gate_opened_step() - bytes of either side of TLS that the gate opens */
void gate_opened_step(struct inside *in, struct flow *f, enum dir from, const void *p, size_t n,
		      bool eof);

/** host_without_port() - "Example.TEST:80" → "example.test", "[::1]:80" → "::1", in place */
void host_without_port(char *host);

/* ---- relay_udp.c -------------------------------------------------------------------------- */
void udp_receive(struct inside *in, struct source *s);
/** udp_arrived() - one datagram of a program */
void udp_arrived(struct inside *in, const struct addr *src, const struct addr *dst, const void *p,
		 size_t n);
/** ping_arrived() - one echo request; @p: ICMP, at least 8 bytes. Sets both ports */
void ping_arrived(struct inside *in, struct addr *src, struct addr *dst, const uint8_t *p,
		  size_t n);
void udp_event(struct inside *in, struct source *s, uint32_t events);
void udp_dialed(struct inside *in, struct flow *f, int fd);
void udp_reply(struct inside *in, struct flow *f, const void *p, size_t n);
void udp_unreachable(struct inside *in, const struct flow *f);
void udp_forget(struct inside *in, struct flow *f); /* takes it out of the table */
void ping_receive(struct inside *in, struct source *s);

/** flow_astray() - the flow of a packet that nobody gets: begun if it has none. @other: neither TCP
 * nor UDP. NULL: over the limit */
struct flow *flow_astray(struct inside *in, bool tcp, bool other, const struct addr *src,
			 const struct addr *dst, const char *why);

/* ---- queue.c ------------------------------------------------------------------------------ */
/** queue_put() - at the end of @q; @at: which of @f's places. It leaves the queue that it was in */
void queue_put(struct queue *q, struct flow *f, struct queued *at, uint64_t due);
/** queue_drop() - out of its queue, if it is in one */
void queue_drop(struct queued *at);
/** queue_take_due() - takes the first out, if it is due at @now. Return: it or NULL */
struct flow *queue_take_due(struct queue *q, uint64_t now);
/** queue_next() - Return: when the first is due, UINT64_MAX when nothing waits */
uint64_t queue_next(const struct queue *q);

/* ---- astray.c ----------------------------------------------------------------------------- */
/** astray_open() - before the lock-down. Return: a socket or -errno */
int astray_open(const char *interface, struct err *err);
void astray_receive(struct inside *in, struct source *s);
struct packet;
/** astray_packet() - one packet that nobody gets */
void astray_packet(struct inside *in, const struct packet *k);

/* ---- frames.c: instead of TPROXY ---------------------------------------------------------- */
/** frames_load() - the module with libslirp, while files can be opened. Return: 0; -errno,
 * EXIT_NO_WALL */
int frames_load(struct frames **ret, struct err *err);
void frames_unload(struct frames *f);
/** frames_open() - before the lock-down, after the raw sockets */
int frames_open(struct inside *in, struct err *err);
void frames_receive(struct inside *in);
/** frames_run() - at a turn's end: what the turn has sent to programs' sockets goes on */
void frames_run(struct inside *in);
/** frames_let_go() - the gate closes its end of a connection */
void frames_let_go(const struct inside *in, struct stack_pipe *pipe, bool reset);
bool frames_was_reset(const struct inside *in, const struct stack_pipe *pipe);
/** frames_lost() - packets that came too fast, since this was asked last */
uint64_t frames_lost(const struct inside *in);

/* ---- names.c: what goes to the resolver --------------------------------------------------- */
/** names_query() - one DNS message of the flow; the reply goes by tcp_reply() or udp_reply() */
void names_query(struct inside *in, struct flow *f, const void *p, size_t n);
void names_answer(struct inside *in, const struct wire_looked_up *h, const void *p, size_t n);
void names_forget(struct inside *in, struct flow *f); /* its queries get no answer */
void names_free(struct inside *in);

/* ---- ring.c: packets to the capture file -------------------------------------------------- */
/** ring_open() - before the lock-down; a thread that begins to copy at once. NULL: none asked
 * @by_interface: what leaves does so by eth0 and comes by lo; else all is seen on lo */
int ring_open(int file, bool by_interface, const struct box_clock *clock, struct ring **ret,
	      struct err *err);
/** ring_passed() - @n bytes of a flow, after @before: of long ones only heads are captured.
 * ring_ended() - it has ended. @r may be NULL */
void ring_passed(struct ring *r, const struct flow_facts *f, uint64_t before, size_t n);
void ring_ended(struct ring *r, uint32_t id);
/** ring_close() - what is in the ring is written. @ret_lost: packets that were not;
 * @ret_full: the file's limit was reached */
void ring_close(struct ring *r, uint64_t *ret_lost, uint64_t *ret_packets, bool *ret_full);

#endif
