// SPDX-License-Identifier: Apache-2.0
/*
 * event_text.c - one event in words: when, who, what
 *
 * A function a kind says what happened. Names go through the caller's escaper, so that the same
 * words serve a terminal and a page; the words themselves hold nothing that any format minds.
 */
#include "report/event_words.h"

void words_name(struct words *w, struct str s)
{
	put_shown(w->out, w->esc, s, NAME_SHOWN_MAX);
}

void words_field(struct words *w, int at)
{
	const struct val *v = &w->ev->v[at];

	if (v->type == VAL_INT)
		buf_printf(w->out, "%lld", (long long)v->i);
	else
		words_name(w, ev_str(w->ev, at));
}

void words_word(struct words *w, int at)
{
	struct str s = ev_str(w->ev, at);

	if (s.n && plain_word(s))
		buf_add(w->out, s.p, s.n);
	else
		words_field(w, at);
}

void words_aside_word(struct words *w, const char *label, int at)
{
	if (!ev_has(w->ev, at))
		return;
	buf_printf(w->out, " (%s", label);
	words_word(w, at);
	buf_puts(w->out, ")");
}

void words_aside(struct words *w, const char *label, int at)
{
	if (!ev_has(w->ev, at))
		return;
	buf_printf(w->out, " (%s", label);
	words_field(w, at);
	buf_puts(w->out, ")");
}

void words_answer(struct words *w, int at, int reason)
{
	static const struct {
		const char *word, *said;
	} said[] = {
		{ "refused", "refused" },
		{ "claimed", "answered as if done, root emulation" },
		{ "local", "stays in the box" },
		{ "gate", "to the gate" },
		{ "allowed", "allowed" },
		{ "sinkhole", "answered by the sinkhole" },
		{ "unanswered", "never answered" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (ev_is(w->ev, at, said[i].word))
			buf_printf(w->out, " — %s", said[i].said);
	if (ev_has(w->ev, reason)) {
		buf_puts(w->out, ev_has(w->ev, at) ? ": " : " — fails: ");
		words_word(w, reason);
	}
}

void put_who(struct buf *out, const struct procs *ps, uint32_t key, uint64_t seq, escape_fn *esc)
{
	const struct proc *p = ps ? procs_get(ps, key) : NULL;

	if (!key) {
		buf_puts(out, "belljar");
		return;
	}
	if (ps)
		esc(out, clip(procs_name(ps, key, seq), 60));
	if (p)
		buf_printf(out, "(%lld)", (long long)p->pid);
	else
		buf_printf(out, "process %u", key);
}

void words_who(struct words *w, int at)
{
	put_who(w->out, w->ps, (uint32_t)ev_int(w->ev, at), w->ev->seq, w->esc);
}

static void status(struct words *w, int at_status, int at_signal)
{
	int64_t signo = ev_int(w->ev, at_signal);
	const char *word = signal_word(signo);

	if (signo && word)
		buf_printf(w->out, "by signal %lld (%s)", (long long)signo, word);
	else if (signo)
		buf_printf(w->out, "by signal %lld", (long long)signo);
	else if (ev_has(w->ev, at_status))
		buf_printf(w->out, "with status %lld", (long long)ev_int(w->ev, at_status));
	else
		buf_puts(w->out, "in an unknown way");
}

static void say_run_begin(struct words *w)
{
	buf_puts(w->out, "run begins: ");
	words_field(w, EV_AT(RUN_BEGIN, ARGV));
	words_aside_word(w, "network ", EV_AT(RUN_BEGIN, NET));
}

static void say_run_end(struct words *w)
{
	/* a restart has no program of its own whose status there could be */
	buf_puts(w->out, "run ends");
	if (ev_has(w->ev, EV_AT(RUN_END, STATUS)) || ev_has(w->ev, EV_AT(RUN_END, SIGNAL))) {
		buf_puts(w->out, " ");
		status(w, EV_AT(RUN_END, STATUS), EV_AT(RUN_END, SIGNAL));
	}
	words_aside_word(w, "", EV_AT(RUN_END, REASON));
	if (ev_int(w->ev, EV_AT(RUN_END, LEFT))) {
		buf_puts(w->out, ", ");
		put_count(w->out, (uint64_t)ev_int(w->ev, EV_AT(RUN_END, LEFT)),
			  "program was still running", "programs were still running");
	}
}

static void say_process(struct words *w)
{
	if (ev_is(w->ev, EV_AT(PROCESS, OP), "exec")) {
		buf_puts(w->out, "starts ");
		words_field(w, ev_has(w->ev, EV_AT(PROCESS, SCRIPT)) ? EV_AT(PROCESS, SCRIPT)
								     : EV_AT(PROCESS, IMAGE));
		if (ev_has(w->ev, EV_AT(PROCESS, SCRIPT)))
			words_aside(w, "read by ", EV_AT(PROCESS, IMAGE));
		if (ev_has(w->ev, EV_AT(PROCESS, COMMAND_LINE))) {
			buf_puts(w->out, ": ");
			words_field(w, EV_AT(PROCESS, COMMAND_LINE));
		}
	} else if (ev_is(w->ev, EV_AT(PROCESS, OP), "exit")) {
		buf_puts(w->out, "ends ");
		status(w, EV_AT(PROCESS, STATUS), EV_AT(PROCESS, SIGNAL));
	} else {
		buf_puts(w->out, "is born");
		if (ev_int(w->ev, EV_AT(PROCESS, PARENT))) {
			buf_puts(w->out, ", child of ");
			words_who(w, EV_AT(PROCESS, PARENT));
		}
	}
}

/* PATH and PATH2 stand for the fields; the rest is as it is */
static const struct {
	const char *op, *before, *between, *after;
	bool swapped; /* path2 first */
} file_ops[] = {
	{ "create", "creates ", NULL, "", false },
	{ "write", "opens for writing ", NULL, "", false },
	{ "tmpfile", "makes a file without a name in ", NULL, "", false },
	{ "mkdir", "makes the folder ", NULL, "", false },
	{ "mknod", "makes the special file ", NULL, "", false },
	{ "symlink", "makes the link ", " to ", "", false },
	{ "link", "gives ", " the second name ", "", false },
	{ "rename", "renames ", " to ", "", false },
	{ "exchange", "swaps ", " and ", "", false },
	{ "unlink", "removes ", NULL, "", false },
	{ "rmdir", "removes the folder ", NULL, "", false },
	{ "truncate", "sets the length of ", NULL, "", false },
	{ "chmod", "sets the permissions of ", NULL, "", false },
	{ "chown", "sets the owner of ", NULL, "", false },
	{ "utimes", "sets the times of ", NULL, "", false },
	{ "setxattr", "sets an attribute of ", NULL, "", false },
	{ "removexattr", "removes an attribute of ", NULL, "", false },
	{ "setflags", "sets flags of ", NULL, "", false },
	{ "memfd", "makes a file in memory named ", NULL, "", false },
	{ "read-decoy", "opens the decoy ", NULL, "", false },
};

static void say_file(struct words *w)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(file_ops); i++)
		if (ev_is(w->ev, EV_AT(FILE, OP), file_ops[i].op))
			break;
	if (i < ARRAY_SIZE(file_ops)) {
		buf_puts(w->out, file_ops[i].before);
	} else {
		words_word(w, EV_AT(FILE, OP));
		buf_puts(w->out, " ");
	}
	words_field(w, EV_AT(FILE, PATH));
	if (ev_has(w->ev, EV_AT(FILE, PATH2))) {
		buf_puts(w->out, i < ARRAY_SIZE(file_ops) && file_ops[i].between
					 ? file_ops[i].between
					 : ", ");
		words_field(w, EV_AT(FILE, PATH2));
	}
	if (ev_is(w->ev, EV_AT(FILE, OP), "chmod") && ev_has(w->ev, EV_AT(FILE, MODE))) {
		buf_puts(w->out, " to ");
		put_mode(w->out, ev_int(w->ev, EV_AT(FILE, MODE)));
	}
	words_aside(w, "", EV_AT(FILE, DETAIL));
	words_answer(w, EV_AT(FILE, ANSWER), EV_AT(FILE, REASON));
}

static void say_signal(struct words *w)
{
	const char *word = signal_word(ev_int(w->ev, EV_AT(SIGNAL, SIGNO)));

	if (ev_has(w->ev, EV_AT(SIGNAL, SIGNO)) && !ev_int(w->ev, EV_AT(SIGNAL, SIGNO)))
		buf_puts(w->out, "asks whether there is ");
	else if (word)
		buf_printf(w->out, "sends %s to ", word);
	else
		buf_printf(w->out, "sends signal %lld to ",
			   (long long)ev_int(w->ev, EV_AT(SIGNAL, SIGNO)));
	if (ev_int(w->ev, EV_AT(SIGNAL, TARGET)) > 0) {
		words_who(w, EV_AT(SIGNAL, TARGET));
	} else {
		buf_puts(w->out, ev_int(w->ev, EV_AT(SIGNAL, PID)) > 0 ? "pid " : "group ");
		words_field(w, EV_AT(SIGNAL, PID));
	}
}

static void say_socket(struct words *w)
{
	static const struct {
		const char *op, *said;
	} ops[] = {
		{ "socket", "makes a socket: " },
		{ "connect", "connects to " },
		{ "sendto", "sends to " },
		{ "bind", "takes the address " },
		{ "listen", "waits for connections at " },
	};
	bool v6 = ev_is(w->ev, EV_AT(SOCKET, FAMILY), "inet6");
	bool named = false;

	for (size_t i = 0; i < ARRAY_SIZE(ops) && !named; i++) {
		named = ev_is(w->ev, EV_AT(SOCKET, OP), ops[i].op);
		if (named)
			buf_puts(w->out, ops[i].said);
	}
	if (ev_has(w->ev, EV_AT(SOCKET, ADDRESS))) {
		buf_puts(w->out, v6 ? "[" : "");
		words_field(w, EV_AT(SOCKET, ADDRESS));
		buf_puts(w->out, v6 ? "]" : "");
		if (ev_has(w->ev, EV_AT(SOCKET, PORT)))
			buf_printf(w->out, ":%lld", (long long)ev_int(w->ev, EV_AT(SOCKET, PORT)));
		buf_puts(w->out, ", ");
	}
	words_word(w, EV_AT(SOCKET, FAMILY));
	if (ev_has(w->ev, EV_AT(SOCKET, PROTOCOL))) {
		buf_puts(w->out, " ");
		words_word(w, EV_AT(SOCKET, PROTOCOL));
	}
	words_answer(w, EV_AT(SOCKET, ANSWER), EV_AT(SOCKET, REASON));
}

static void say_attempt(struct words *w)
{
	buf_puts(w->out, "tries ");
	words_word(w, EV_AT(ATTEMPT, CALL));
	buf_puts(w->out, "(");
	words_field(w, EV_AT(ATTEMPT, ARGS));
	buf_puts(w->out, ")");
	words_aside_word(w, "", EV_AT(ATTEMPT, CATEGORY));
	words_answer(w, EV_AT(ATTEMPT, ANSWER), EV_AT(ATTEMPT, REASON));
	words_aside_word(w, "", EV_AT(ATTEMPT, ERRNO));
}

static void say_change(struct words *w)
{
	buf_puts(w->out, "found after the run: ");
	words_word(w, EV_AT(CHANGE, OP));
	buf_puts(w->out, " ");
	words_word(w, EV_AT(CHANGE, TYPE));
	buf_puts(w->out, " ");
	words_field(w, EV_AT(CHANGE, PATH));
	words_aside(w, "was ", EV_AT(CHANGE, PATH2));
	words_aside(w, "", EV_AT(CHANGE, DETAIL));
	if (ev_int(w->ev, EV_AT(CHANGE, MTIME_SET)))
		buf_puts(w->out, " (a call set its time)");
	if (ev_int(w->ev, EV_AT(CHANGE, WRITER))) {
		buf_puts(w->out, ", by ");
		words_who(w, EV_AT(CHANGE, WRITER));
	}
}

static void say_mismatch(struct words *w)
{
	buf_puts(w->out, "record and result disagree (");
	words_word(w, EV_AT(MISMATCH, WHAT));
	buf_puts(w->out, ") on ");
	words_field(w, EV_AT(MISMATCH, PATH));
	words_aside(w, "", EV_AT(MISMATCH, DETAIL));
}

static void say_autostart(struct words *w)
{
	buf_puts(w->out, "start entry ");
	words_word(w, EV_AT(AUTOSTART, OP));
	buf_puts(w->out, ": ");
	words_word(w, EV_AT(AUTOSTART, CLASS));
	buf_puts(w->out, ", ");
	words_field(w, EV_AT(AUTOSTART, PLACE));
	words_aside(w, "", EV_AT(AUTOSTART, NAME));
	if (ev_has(w->ev, EV_AT(AUTOSTART, COMMAND))) {
		buf_puts(w->out, start_sort(ev_str(w->ev, EV_AT(AUTOSTART, CLASS))) == ST_START
					 ? ", starts: "
					 : ": ");
		words_field(w, EV_AT(AUTOSTART, COMMAND));
	}
	if (ev_int(w->ev, EV_AT(AUTOSTART, WRITER))) {
		buf_puts(w->out, ", by ");
		words_who(w, EV_AT(AUTOSTART, WRITER));
	}
}

static void say_object(struct words *w)
{
	buf_puts(w->out, ev_int(w->ev, EV_AT(OBJECT, KEPT)) ? "bytes kept of "
							    : "bytes hashed, not kept, of ");
	words_field(w, EV_AT(OBJECT, PATH));
	buf_puts(w->out, ", ");
	put_bytes(w->out, (uint64_t)ev_int(w->ev, EV_AT(OBJECT, SIZE)));
	words_aside(w, "SHA-256 ", EV_AT(OBJECT, SHA256));
}

static void say_mark(struct words *w)
{
	buf_puts(w->out, "mark: ");
	words_word(w, EV_AT(MARK, NAME));
	words_aside_word(w, "", EV_AT(MARK, EXPERIMENT));
	words_aside_word(w, "", EV_AT(MARK, STEP));
	words_aside(w, "", EV_AT(MARK, PATH));
	words_aside(w, "", EV_AT(MARK, DETAIL));
}

static void say_clock(struct words *w)
{
	const struct val *v = &w->ev->v[EV_AT(CLOCK, OFFSET)];

	buf_puts(w->out, "the box's clock was put forward");
	if (v->type == VAL_INT)
		buf_printf(w->out, ", now by %.3f s", (double)v->i / 1e9);
	words_aside_word(w, "", EV_AT(CLOCK, CAUSE));
}

static void say_residue(struct words *w)
{
	buf_puts(w->out, "left after the uninstall: ");
	words_word(w, EV_AT(RESIDUE, GRADE));
	words_aside_word(w, "", EV_AT(RESIDUE, WHAT));
	words_aside(w, "", EV_AT(RESIDUE, PATH));
	words_aside(w, "", EV_AT(RESIDUE, DETAIL));
	words_aside(w, "explained: ", EV_AT(RESIDUE, EXPLAINED));
}

static void say_gap(struct words *w)
{
	buf_puts(w->out, "NOT SEEN (");
	words_word(w, EV_AT(GAP, SOURCE));
	buf_puts(w->out, "): ");
	words_word(w, EV_AT(GAP, DETAIL));
	words_aside(w, "count ", EV_AT(GAP, COUNT));
}

static void say_limit(struct words *w)
{
	buf_puts(w->out, "limit reached: ");
	words_word(w, EV_AT(LIMIT, WHAT));
	words_aside(w, "limit ", EV_AT(LIMIT, VALUE));
	words_aside_word(w, "held by ", EV_AT(LIMIT, MECHANISM));
	if (ev_has(w->ev, EV_AT(LIMIT, DETAIL))) {
		buf_puts(w->out, ": ");
		words_word(w, EV_AT(LIMIT, DETAIL));
	}
}

static void say_module(struct words *w)
{
	buf_puts(w->out, "loads code from ");
	words_field(w, EV_AT(MODULE, PATH));
}

/* a kind without a sentence of its own: what its fields hold, by their names */
static void say_fields(struct words *w, const struct kind_def *def)
{
	buf_puts(w->out, def->name);
	for (int i = 0; i < def->nfields; i++) {
		if (!ev_has(w->ev, i))
			continue;
		buf_printf(w->out, " %s=", def->field[i].column);
		words_field(w, i);
	}
}

static void (*const say[EVENT_KINDS])(struct words *w) = {
	[EV_RUN_BEGIN] = say_run_begin,
	[EV_RUN_END] = say_run_end,
	[EV_PROCESS] = say_process,
	[EV_FILE] = say_file,
	[EV_SIGNAL] = say_signal,
	[EV_SOCKET] = say_socket,
	[EV_ATTEMPT] = say_attempt,
	[EV_CHANGE] = say_change,
	[EV_MISMATCH] = say_mismatch,
	[EV_AUTOSTART] = say_autostart,
	[EV_OBJECT] = say_object,
	[EV_MARK] = say_mark,
	[EV_GAP] = say_gap,
	[EV_LIMIT] = say_limit,
	[EV_MODULE] = say_module,
	[EV_FLOW] = say_flow,
	[EV_BURST] = say_burst,
	[EV_DNS] = say_dns,
	[EV_TLS] = say_tls,
	[EV_HTTP] = say_http,
	[EV_BANNER] = say_banner,
	[EV_CANARY] = say_canary,
	[EV_CONTENT] = say_content,
	[EV_CLOCK] = say_clock,
	[EV_RESIDUE] = say_residue,
};

void event_words(struct buf *out, const struct event *ev, const struct procs *ps, escape_fn *esc)
{
	struct words w = { out, ev, ps, esc };

	if (ev->kind > 0 && ev->kind < EVENT_KINDS && say[ev->kind])
		say[ev->kind](&w);
	else if (event_kind_def(ev->kind))
		say_fields(&w, event_kind_def(ev->kind));
	else
		buf_printf(out, "event of unknown kind %d", (int)ev->kind);
}

/* Columns that a terminal shows for UTF-8 text: close enough for alignment. */
static size_t columns(const char *p, size_t n)
{
	size_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)p[i] & 0xc0) != 0x80;
	return c;
}

/* Kinds that a reader should not overlook. */
static const char *colour_of(const struct event *ev)
{
	static const char *const by_kind[EVENT_KINDS] = {
		[EV_RUN_BEGIN] = "\033[1m",  [EV_RUN_END] = "\033[1m", [EV_ATTEMPT] = "\033[33m",
		[EV_AUTOSTART] = "\033[35m", [EV_SOCKET] = "\033[36m", [EV_MISMATCH] = "\033[31m",
		[EV_GAP] = "\033[31m",	     [EV_LIMIT] = "\033[31m",  [EV_CANARY] = "\033[31m",
		[EV_FLOW] = "\033[36m",
	};

	return ev->kind > 0 && ev->kind < EVENT_KINDS ? by_kind[ev->kind] : NULL;
}

#define WHO_COLUMNS 18

void event_line(struct buf *out, const struct event *ev, const struct procs *ps, bool colour)
{
	const char *on = colour ? colour_of(ev) : NULL;
	size_t from;

	buf_printf(out, "%6llu  ", (unsigned long long)ev->seq);
	if (!ps || ps->nrun > 1)
		buf_printf(out, "run %u ", ev->run);
	from = out->n;
	put_clock(out, ev->t);
	for (size_t w = out->n - from; w < 10; w++)
		buf_puts(out, " ");
	from = out->n;
	put_who(out, ps, ev->proc, ev->seq, escape_text);
	for (size_t w = columns(out->p + from, out->n - from); w < WHO_COLUMNS; w++)
		buf_puts(out, " ");
	buf_puts(out, " ");
	buf_puts(out, on ? on : "");
	event_words(out, ev, ps, escape_text);
	buf_puts(out, on ? "\033[0m\n" : "\n");
}

void report_event_text(struct buf *out, const struct event *ev, bool colour)
{
	event_line(out, ev, NULL, colour);
}
