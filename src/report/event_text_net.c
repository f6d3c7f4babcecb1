// SPDX-License-Identifier: Apache-2.0
/*
 * event_text_net.c - what went over the network, in words
 */
#include "report/event_words.h"

#define HAS(KIND, NAME)	     ev_has(w->ev, EV_AT(KIND, NAME))
#define IS(KIND, NAME, word) ev_is(w->ev, EV_AT(KIND, NAME), word)

/* the number that ties the rows of one connection together */
static void flow_number(struct words *w, int at)
{
	if (ev_has(w->ev, at))
		buf_printf(w->out, " [flow %lld]", (long long)ev_int(w->ev, at));
}

static void bytes(struct words *w, int at)
{
	put_bytes(w->out, (uint64_t)ev_int(w->ev, at));
}

/* "name (address) port 443" */
static void where(struct words *w, int name, int address, int port)
{
	if (ev_has(w->ev, name)) {
		words_field(w, name);
		words_aside(w, "", address);
	} else {
		words_field(w, address);
	}
	if (ev_has(w->ev, port))
		buf_printf(w->out, " port %lld", (long long)ev_int(w->ev, port));
}

void say_flow(struct words *w)
{
	bool end = IS(FLOW, OP, "end");

	buf_puts(w->out, end ? "connection over, " : "connects, ");
	words_word(w, EV_AT(FLOW, PROTOCOL));
	buf_puts(w->out, ", to ");
	where(w, EV_AT(FLOW, NAME), EV_AT(FLOW, DST), EV_AT(FLOW, DST_PORT));
	if (end) {
		words_aside_word(w, "speaks ", EV_AT(FLOW, APP));
		buf_puts(w->out, ": ");
		bytes(w, EV_AT(FLOW, BYTES_OUT));
		buf_puts(w->out, " sent, ");
		bytes(w, EV_AT(FLOW, BYTES_IN));
		buf_puts(w->out, " received");
		words_aside_word(w, "", EV_AT(FLOW, END));
		words_aside(w, "really ", EV_AT(FLOW, DIALED));
	}
	words_answer(w, EV_AT(FLOW, ANSWER), EV_AT(FLOW, REASON));
	flow_number(w, EV_AT(FLOW, FLOW));
}

void say_burst(struct words *w)
{
	buf_puts(w->out, IS(BURST, DIR, "in") ? "receives " : "sends ");
	bytes(w, EV_AT(BURST, BYTES));
	if (HAS(BURST, GAP)) {
		buf_puts(w->out, " after ");
		put_duration(w->out, (uint64_t)ev_int(w->ev, EV_AT(BURST, GAP)));
		buf_puts(w->out, " of silence");
	}
	words_aside(w, "routine of ", EV_AT(BURST, ROUTINE));
	flow_number(w, EV_AT(BURST, FLOW));
}

void say_dns(struct words *w)
{
	bool answer = IS(DNS, OP, "answer");

	buf_puts(w->out, answer ? "is told about the name " : "looks up the name ");
	words_field(w, EV_AT(DNS, NAME));
	words_aside_word(w, "", EV_AT(DNS, TYPE));
	if (!answer && HAS(DNS, SERVER)) {
		buf_puts(w->out, ", asking ");
		words_field(w, EV_AT(DNS, SERVER));
	}
	if (answer && HAS(DNS, RCODE)) {
		buf_puts(w->out, ": ");
		words_word(w, EV_AT(DNS, RCODE));
	}
	if (HAS(DNS, ANSWERS)) {
		buf_puts(w->out, ", ");
		words_field(w, EV_AT(DNS, ANSWERS));
	}
	words_answer(w, EV_AT(DNS, ANSWER), EV_AT(DNS, REASON));
	flow_number(w, EV_AT(DNS, FLOW));
}

static void say_certificate(struct words *w)
{
	bool ok = IS(TLS, VERDICT, "ok");

	buf_puts(w->out, "certificate of ");
	words_field(w, HAS(TLS, NAMES) ? EV_AT(TLS, NAMES) : EV_AT(TLS, SUBJECT));
	words_aside(w, "issued by ", EV_AT(TLS, ISSUER));
	words_aside(w, "until ", EV_AT(TLS, NOT_AFTER));
	if (HAS(TLS, VERDICT)) {
		buf_puts(w->out, ok ? " — holds" : " — DOES NOT HOLD: ");
		if (!ok)
			words_word(w, EV_AT(TLS, VERDICT));
	}
}

void say_tls(struct words *w)
{
	if (IS(TLS, OP, "certificate")) {
		say_certificate(w);
	} else if (IS(TLS, OP, "alert")) {
		buf_puts(w->out, IS(TLS, SIDE, "box") ? "breaks off encryption with the gate: "
						      : "encryption is broken off: ");
		words_word(w, EV_AT(TLS, VERDICT));
		words_aside(w, "for ", EV_AT(TLS, SNI));
	} else {
		bool hello = IS(TLS, OP, "client-hello");

		buf_puts(w->out, hello ? "offers encryption" : "encryption is agreed");
		if (HAS(TLS, SNI)) {
			buf_puts(w->out, " to ");
			words_field(w, EV_AT(TLS, SNI));
		}
		words_aside_word(w, "", EV_AT(TLS, VERSION));
		words_aside(w, "for ", EV_AT(TLS, ALPN));
		words_aside_word(w, "", EV_AT(TLS, CIPHER));
		words_aside(w, "JA4 ", EV_AT(TLS, JA4));
		if (ev_int(w->ev, EV_AT(TLS, QUIC)))
			buf_puts(w->out, " in QUIC");
		if (ev_int(w->ev, EV_AT(TLS, ECH)))
			buf_puts(w->out, " with a second, hidden name (ECH)");
	}
	words_aside_word(w, "side ", EV_AT(TLS, SIDE));
	flow_number(w, EV_AT(TLS, FLOW));
}

void say_http(struct words *w)
{
	bool response = IS(HTTP, OP, "response");

	if (response) {
		buf_printf(w->out, "web answer %lld",
			   (long long)ev_int(w->ev, EV_AT(HTTP, STATUS)));
	} else {
		buf_puts(w->out, "web request ");
		words_field(w, EV_AT(HTTP, METHOD));
		buf_puts(w->out, " ");
		words_field(w, EV_AT(HTTP, TARGET));
		if (HAS(HTTP, HOST)) {
			buf_puts(w->out, " of ");
			words_field(w, EV_AT(HTTP, HOST));
		}
		words_aside(w, "as ", EV_AT(HTTP, USER_AGENT));
	}
	words_aside(w, "", EV_AT(HTTP, CONTENT_TYPE));
	if (HAS(HTTP, CONTENT_LENGTH)) {
		buf_puts(w->out, ", ");
		bytes(w, EV_AT(HTTP, CONTENT_LENGTH));
	}
	if (ev_int(w->ev, EV_AT(HTTP, TLS)))
		buf_puts(w->out, ", encrypted");
	flow_number(w, EV_AT(HTTP, FLOW));
}

void say_banner(struct words *w)
{
	buf_puts(w->out, "speaks ");
	words_word(w, EV_AT(BANNER, PROTOCOL));
	if (ev_int(w->ev, EV_AT(BANNER, MISMATCH))) {
		buf_puts(w->out, " at a port that is for ");
		words_word(w, EV_AT(BANNER, EXPECTED));
	}
	if (HAS(BANNER, OUT)) {
		buf_puts(w->out, ", says first: ");
		words_field(w, EV_AT(BANNER, OUT));
	}
	if (HAS(BANNER, IN)) {
		buf_puts(w->out, ", hears: ");
		words_field(w, EV_AT(BANNER, IN));
	}
	flow_number(w, EV_AT(BANNER, FLOW));
}

void say_canary(struct words *w)
{
	buf_puts(w->out, "SENT OUT a value of this machine: ");
	words_field(w, EV_AT(CANARY, VALUE));
	words_aside_word(w, "as ", EV_AT(CANARY, ENCODING));
	words_aside_word(w, "in ", EV_AT(CANARY, WHERE));
	if (HAS(CANARY, SAMPLE)) {
		buf_puts(w->out, ": ");
		words_field(w, EV_AT(CANARY, SAMPLE));
	}
	flow_number(w, EV_AT(CANARY, FLOW));
}

void say_content(struct words *w)
{
	buf_puts(w->out, "bytes kept, ");
	words_word(w, EV_AT(CONTENT, PART));
	buf_puts(w->out,
		 IS(CONTENT, DIR, "in") ? " of what was received, " : " of what was sent, ");
	bytes(w, EV_AT(CONTENT, SIZE));
	words_aside(w, "SHA-256 ", EV_AT(CONTENT, SHA256));
	if (ev_int(w->ev, EV_AT(CONTENT, TLS)))
		buf_puts(w->out, ", inside of encryption");
	flow_number(w, EV_AT(CONTENT, FLOW));
}
