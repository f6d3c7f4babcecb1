// SPDX-License-Identifier: Apache-2.0
/*
 * gate.h - the box's only way out: flows, names, policy, sinkhole, capture files
 *
 * Two halves, one header. The *gate process* stands in the box's user and network namespaces, with
 * no file system, no capability but CAP_NET_RAW there, and a seccomp allowlist; it sees every
 * packet and byte of the program, decodes them, and answers. The *desk* is a thread of the
 * supervisor: it writes what the gate process reports into the journal, keeps relay content as
 * objects, and dials out - after policy, which it asks itself, so that a gate process that was
 * taken over by hostile bytes reaches nobody that the policy does not name.
 *
 *   program ─TPROXY─► gate process ══ socket ══► desk ─► journal, objects
 *                        ▲   (asks: look up NAME TYPE, dial NAME ADDRESS PORT)   │
 *                        └────────────── connected socket (SCM_RIGHTS) ◄─────────┘
 *
 * Nothing in this room knows of boxes: whoever starts it gives it a way to put a function into the
 * box's namespaces, and a way to ask which process owns a flow.
 */
#ifndef BELLJAR_GATE_GATE_H
#define BELLJAR_GATE_GATE_H

#include "base/base.h"
#include "journal/journal.h"

/* ---- policy ------------------------------------------------------------------------------- */

enum gate_mode {
	GATE_CLOSED,   /* nobody is reached; every name resolves, every port answers */
	GATE_DECLARED, /* names on the list are reached, the rest meets the sinkhole */
	GATE_OPEN,     /* everybody is reached but who is denied; all is recorded */
};

/* Opaque; made by policy.c, see gate/policy/policy.h inside of the room for how it judges. */
struct policy;

/** gate_mode_word() - "closed", "declared", "open", as in options and policy files */
const char *gate_mode_word(enum gate_mode mode);
bool gate_mode_read(const char *word, enum gate_mode *ret);

/** policy_new() - an empty list: in GATE_DECLARED nobody is reached */
struct policy *policy_new(enum gate_mode mode);
void policy_free(struct policy *p);
/**
 * policy_add_word() - one rule as it is given on the command line
 * @allow: allow, else deny
 * @word:  NAME[:PORT] - exact name, or '*.NAME' for all below it; an address or ADDRESS/BITS
 *
 * Names are compared without case, in ASCII (IDNA A-labels). Return: 0; -EINVAL, EXIT_USAGE with
 * the sentence; -E2BIG above POLICY_RULES_MAX.
 */
int policy_add_word(struct policy *p, bool allow, const char *word, struct err *err);
/** policy_tls_open() - TLS to this name (or '*.NAME') is opened by the box's own CA */
int policy_tls_open(struct policy *p, const char *name, struct err *err);
/**
 * policy_word() - check a rule's word and write it as policy_print() does
 * Return: 0; -EINVAL, EXIT_USAGE
 */
#define POLICY_WORD_MAX 300
int policy_word(const char *word, char ret[POLICY_WORD_MAX], struct err *err);
/** policy_word_inward() - is it an address that leads back to this machine or into its networks, or
 * to the sinkhole? No name opens those; false for what is no word */
bool policy_word_inward(const char *word);
/** policy_parse() - add the rules of a policy file (doc/POLICY.md); its mode, when it names one, is
 * the policy's from then on. Return: 0; -EINVAL, EXIT_USAGE with line and column in the sentence,
 * nothing added */
#define POLICY_FILE_MAX (4u << 20)
int policy_parse(struct policy *p, const char *text, size_t n, const char *file, struct err *err);
/** policy_print() - as a policy file that policy_parse() reads back to the same policy */
void policy_print(const struct policy *p, struct buf *out);
/** policy_declares() - does a rule allow @name, or @address (either may be empty), at @port (0:
 * any), and none deny it? For lists of what is known: the mode does not count, nor where addresses
 * lead */
bool policy_declares(const struct policy *p, struct str name, struct str address, uint16_t port);
enum gate_mode policy_mode(const struct policy *p);
void policy_set_mode(struct policy *p, enum gate_mode mode);
/** policy_own_address() - @ip (4 or 16 bytes, @v6) is an address of this machine: only a rule that
 * allows the address itself leads there. Not part of what is printed */
void policy_own_address(struct policy *p, bool v6, const void *ip);
/** policy_own_addresses() - the same for all that the machine's interfaces have now */
void policy_own_addresses(struct policy *p);

/* ---- the running gate --------------------------------------------------------------------- */

#define GATE_MARK 0x626au /* SO_MARK of the gate's own packets in the box's network */
#define GATE_PORT 15001	  /* where TPROXY delivers, TCP and UDP, 127.0.0.1 and ::1 */

/** struct gate_opts - what the starter lends; pointers live until gate_stop() */
struct gate_opts {
	struct policy *policy; /* owned by the caller until gate_start() succeeds */
	const char *answers;   /* --answers DIR: folder of served files, NULL none; opened before
				* privileges were dropped: see answers_fd */
	int answers_fd;	       /* O_DIRECTORY, -1 none */
	int box_dirfd;	       /* the box's folder: objects/, capture files, the box's CA */
	int pcap_fd;	       /* open file for the run's pcapng, -1: none is written */
	int keylog_fd;	       /* open file for TLS secrets of that capture, -1: not kept */
	/* sinkhole manners */
	unsigned nxdomain_first; /* so many different names are answered NXDOMAIN first */
	bool sink_refuses;	 /* connections that would meet the sinkhole are refused */
	bool sink_silent;	 /* … are never answered */
	/* values that exist only in this box; borrowed */
	int ncanaries;
	const struct gate_canary *canary;

	/* a child process of ours in the box's user and network namespaces, with an empty root,
	 * that runs @fn(@arg) and keeps @fd and no other descriptor; its pid; -errno. It dies with
	 * the thread that calls gate_start() */
	void *starter;
	/* waits until the box's network stands: must what leaves be read at its interface, for want
	 * of TPROXY? NULL: no */
	int (*reads_out)(void *starter, bool *ret, struct err *err);
	pid_t (*start_inside)(void *starter, void (*fn)(void *arg, int fd), void *arg, int fd,
			      struct err *err);
	/* process key of who owned the box's port @port at @at (CLOCK_MONOTONIC); 0 unknown.
	 * @protocol: IPPROTO_TCP, IPPROTO_UDP; IPPROTO_ICMP: the port is the identifier of pings.
	 * Thread-safe */
	void *owner_ctx;
	uint32_t (*owner)(void *ctx, int protocol, bool ip6, uint16_t port, uint64_t at);
	/* counted by whoever sees programs use ports; shared memory that the gate process can
	 * only read. NULL: nobody counts */
	const struct port_uses *uses;
	/* keep bytes in the box's store of objects: their SHA-256, and whether they were kept */
	void *keep_ctx;
	int (*keep)(void *ctx, const void *p, size_t n, char ret_sha256[SHA256_HEX], bool *ret_kept,
		    struct err *err);
	/* the box's time, mapped shared; NULL: real time. The gate's own times are the box's */
	const struct box_clock *clock;
	struct clock_hints
		*hints; /* where the gate process says what it waits for, shared as well */
};

/** struct gate_canary - a value to look for in everything that goes out */
struct gate_canary {
	const char *label; /* hostname, machine-id, mac, user, document:NAME */
	const char *value; /* at least CANARY_MIN bytes: shorter ones are found by chance */
};
#define CANARY_MIN 6
#define CANARY_MAX 256 /* values in one box */

struct gate;

/**
 * gate_start() - the gate process, in the box's network; call when that stands and before this
 * process has a second thread
 *
 * It gets ready by itself meanwhile; gate_serve() waits for that.
 */
int gate_start(const struct gate_opts *opts, struct gate **ret_gate, struct err *err);
/**
 * gate_serve() - the desk: a thread that records in @j, looks up and dials; before the first
 * program
 * @owner_ctx: instead of the one in the options, for an owner that did not exist then; NULL: that
 *
 * Return: 0; -errno with EXIT_NO_WALL when a kernel feature is missing (named in the sentence)
 */
int gate_serve(struct gate *g, struct journal *j, void *owner_ctx, struct err *err);
/** gate_set_policy() - from now on; also for flows that are open: those that are not allowed any
 * more are cut. Takes @p */
int gate_set_policy(struct gate *g, struct policy *p, struct err *err);
/** struct gate_manners - how the gate treats the box, beside policy; zero: as gate_start() was told
 */
struct gate_manners {
	bool silent;   /* as if the cable were cut: no name is answered, nobody answers */
	uint32_t book; /* another number: names that meet the sinkhole have other addresses from now
			* on; those that were given before still lead to it */
};
/** gate_set_manners() - from now on; flows that are open to the sinkhole hear no more of it */
void gate_set_manners(struct gate *g, const struct gate_manners *m);
/** gate_box_time() - the box's clock has gone over what the gate waits for: look at it. Thread-safe
 */
void gate_box_time(struct gate *g);
/** gate_pid() - the gate process */
pid_t gate_pid(const struct gate *g);
/** gate_failed() - the gate process is gone, or its reports cannot be written: the box must end */
bool gate_failed(const struct gate *g);
/** gate_stop() - end all flows (recorded as 'box-ended'), flush, end the gate process. What was
 * not seen is a GAP event. NULL is fine */
void gate_stop(struct gate *g);

/** struct gate_ca - a box's certificate authority, as others need it */
struct gate_ca {
	char *pem; /* NUL-terminated */
	uint8_t *der;
	size_t der_n;
	char hash[16]; /* file name by which OpenSSL finds it in a folder: "1a2b3c4d.0" */
};
/**
 * gate_box_ca() - the certificate of the box's own authority, made when it is not there
 * @box_name: stands in its subject when it is made
 * @ret:      for the stores of the box's programs: whoever starts the box puts it there, and
 *            nowhere else. Freed by gate_ca_clear()
 */
int gate_box_ca(int box_dirfd, const char *box_name, struct gate_ca *ret, struct err *err);
void gate_ca_clear(struct gate_ca *ca);

/* ---- recorded answers --------------------------------------------------------------------- */

struct gate_export_stats {
	uint64_t answers,
		left_out; /* left out: not kept whole, or without a name that a file takes */
};
/**
 * gate_export_answers() - what was answered in a run, as files for --answers (doc/POLICY.md)
 * @run: 0 all runs
 * @lock: called once all is read that will be, before recorded bytes are looked at:
 *       lockdown_reader(), or NULL
 * @put: called for each file with its path below the folder: components hold neither a '/' nor
 *       control bytes and do not begin with '.'. Non-zero stops and is returned
 *
 * Return: 0; -errno of what could not be read, or of @put.
 */
int gate_export_answers(struct journal_reader *r, int box_dirfd, uint32_t run,
			int (*lock)(struct err *err),
			int (*put)(void *ctx, const char *path, const void *p, size_t n), void *ctx,
			struct gate_export_stats *ret, struct err *err);

/* ---- capture files ------------------------------------------------------------------------ */

/** struct gate_export - a run's capture file, to be written for other tools */
struct gate_export {
	int in, out;
	const char *keylog; /* TLS secrets, NSS key log lines */
	size_t keylog_n;
	void *ctx;
	/* who sent packets of the flow @src → @dst at @t (ns since the epoch): a comment, borrowed
	 * until the next call; NULL: no such flow */
	const char *(*who)(void *ctx, uint64_t t, bool tcp, const char *src, uint16_t src_port,
			   const char *dst, uint16_t dst_port);
};
/** gate_export_capture() - as pcapng, with packet comments and a Decryption Secrets Block.
 * Return: 0; -EBADMSG, EXIT_CORRUPT; other -errno */
int gate_export_capture(const struct gate_export *e, struct err *err);

/** struct gate_read_stats - what a capture file holds */
struct gate_read_stats {
	uint64_t packets, bytes, flows;
	uint64_t skipped; /* packets that are neither TCP nor UDP over IP, or malformed */
	uint64_t early;	  /* flows that were ended early, for room */
};
/**
 * gate_read_file() - decode a pcap or pcapng file as the gate decodes a box's traffic
 * @fn:  called with FLOW, BURST, DNS, TLS, HTTP, BANNER and GAP events, a flow's "end" as its last;
 *       t is ns since the first packet. Non-zero stops and is returned
 * @ret: filled also on failure, with what was read before
 *
 * Link layers: Ethernet (VLAN, PPPoE), Linux cooked (SLL, SLL2), raw IP, BSD loopback. Fragments
 * are put together and TCP streams put in order; what the capture lacks is told by a GAP event of
 * its flow, and its bytes count as sent. A flow without an end in the file has end NULL.
 *
 * Memory is bounded: READ_FLOWS_MAX flows at once, and READ_HELD_MAX bytes that wait for more; the
 * flows that were silent longest are ended early and counted.
 *
 * Return: 0; -EBADMSG, EXIT_CORRUPT for what is no capture file, or damaged; other -errno.
 */
int gate_read_file(int fd, int (*fn)(void *ctx, const struct event *ev), void *ctx,
		   struct gate_read_stats *ret, struct err *err);

#endif
