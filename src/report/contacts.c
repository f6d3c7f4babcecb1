// SPDX-License-Identifier: Apache-2.0
/*
 * contacts.c - who in a capture file contacts whom at regular times
 */
#include "report/inner.h"

#define WRITE_AT (256u << 10)

static void json_line(struct buf *o, const struct regular *r)
{
	buf_puts(o, "{\"host\":");
	escape_json(o, r->host);
	buf_printf(o, ",\"what\":\"%s\",\"key\":\"%s\",\"destination\":", r->what, r->key);
	escape_json(o, r->destination);
	buf_puts(o, ",\"name\":");
	if (r->name.n)
		escape_json(o, r->name);
	else
		buf_puts(o, "null");
	buf_puts(o, ",\"protocol\":");
	escape_json(o, r->protocol);
	buf_printf(o,
		   ",\"port\":%u,\"declared\":%s,\"contacts\":%llu,\"first\":%.6f,\"seconds\":%.6f",
		   r->port, r->declared ? "true" : "false", (unsigned long long)r->contacts,
		   r->first, r->seconds);
	if (r->too_few)
		buf_puts(o, ",\"period\":null,\"jitter\":null,\"p\":null");
	else
		buf_printf(o, ",\"period\":%.6g,\"jitter\":%.6g,\"p\":%.6g", r->period, r->jitter,
			   r->p);
	buf_printf(o,
		   ",\"blocks\":%zu,\"flagged\":%zu,\"regular_start\":%zu,\"same_size\":%.6g"
		   ",\"told\":%s,\"crowd\":%llu,\"lead\":",
		   r->blocks, r->flagged, r->regular_start, r->same_size,
		   r->told ? "true" : "false", (unsigned long long)r->crowd);
	if (r->lead.n)
		escape_json(o, r->lead);
	else
		buf_puts(o, "null");
	buf_puts(o, ",\"routine\":");
	if (r->routine.n)
		escape_json(o, r->routine);
	else
		buf_puts(o, "null");
	buf_puts(o, "}\n");
}

static void text_lines(struct buf *o, const struct regular *r, bool colour)
{
	const char *what = str_eq(r->protocol, STR("icmp")) ? " pings"
			   : *r->what == 'b'		    ? " messages inside of connections"
			   : *r->what == 'd'		    ? " questions for the name"
							    : " connections";

	buf_puts(o, colour ? "\033[33m" : "");
	escape_text(o, r->host);
	buf_puts(o, colour ? "\033[0m" : "");
	buf_puts(o, " asks ");
	if (r->destination.n)
		put_shown(o, escape_text, r->destination, NAME_SHOWN_MAX);
	else
		buf_puts(o, "all whom nobody declared");
	if (r->port) {
		buf_puts(o, ", ");
		escape_text(o, r->protocol);
		buf_printf(o, " port %u", r->port);
	}
	if (r->crowd)
		buf_printf(o, ", and %llu more addresses without a name in the same way",
			   (unsigned long long)r->crowd - 1);
	buf_puts(o, "\n  ");
	put_number(o, r->contacts);
	buf_printf(o, "%s, ", what);
	regular_words(o, r->period, r->jitter, r->p);
	if (r->regular_start)
		buf_printf(o, "; the first %zu at equal distances, later ones not",
			   r->regular_start);
	buf_puts(o, r->same_size > 0.8 ? "; nearly all of one size\n\n" : "\n\n");
}

static void sum_up(struct buf *o, const struct capture_contacts *c, size_t n, size_t told)
{
	size_t judged = 0, declared = 0, routine = 0;

	for (size_t i = 0; i < n; i++) {
		const struct regular *r = capture_contacts_get(c, i);

		judged += !r->too_few;
		declared += r->declared;
		/* all of them have bursts, and an address */
		routine += r->routine.n && *r->key == 'a' && *r->what == 'b' && !r->too_few &&
			   r->p <= REGULAR_P && r->contacts >= REGULAR_CONTACTS;
	}
	put_count(o, told, "series of contacts is", "series of contacts are");
	buf_puts(o, " too regular for chance, of ");
	put_number(o, judged);
	buf_puts(o, " that can be judged; ");
	put_number(o, n - judged);
	buf_puts(o, " have too few contacts");
	if (declared) {
		buf_puts(o, "; ");
		put_number(o, declared);
		buf_puts(o, " are declared");
	}
	if (routine) {
		buf_puts(o, "; ");
		put_count(o, routine, "is", "are");
		buf_puts(o, " regular and nothing but what a protocol sends by the clock");
	}
	if (capture_contacts_full(c))
		buf_puts(o, "; more were left out, for room");
	buf_puts(o, "\n");
}

int report_contacts(const struct capture_contacts *c, size_t n, bool json, bool colour, int fd,
		    struct err *err)
{
	cleanup_buf struct buf o = { 0 };
	size_t told = 0;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		const struct regular *r = capture_contacts_get(c, i);

		told += r->told;
		if (json)
			json_line(&o, r);
		else if (r->told)
			text_lines(&o, r, colour);
		if (o.n >= WRITE_AT) {
			rc = write_full(fd, o.p, o.n);
			o.n = 0;
		}
	}
	if (!json)
		sum_up(&o, c, n, told);
	if (!rc)
		rc = write_full(fd, o.p, o.n);
	return rc ? err_set(err, -rc, "report: write") : 0;
}
