// SPDX-License-Identifier: Apache-2.0
/*
 * story.h - a journal to report on: an installer that brings a service, an autostart entry, a
 * set-id file, and talks to a server; with every hostile name where a name can stand
 */
#ifndef BELLJAR_TESTS_REPORT_STORY_H
#define BELLJAR_TESTS_REPORT_STORY_H

#include "journal/journal.h"

/* Each of these has something that must not reach a reader raw. */
static const char *const hostile_names[] = {
	"/tmp/line\nbreak",
	"/tmp/\033[2J\033]0;title\007",
	"/tmp/bad\xff\xfe\xc0utf8",
	"/tmp/bidi\xe2\x80\xae"
	"gpj.exe",
	"/tmp/</script><script>x()</script>",
	"/tmp/'\"><img src=http://evil.test/>",
	"/tmp/&amp;&lt;",
	"/tmp/c1\xc2\x9b"
	"31m",
	"/tmp/back\\slash\\n",
	"/tmp/sep\xe2\x80\xa8line",
	"/tmp/zero\xe2\x80\x8bwidth",
	"/tmp/\xf3\xa0\x80\x81tag",
};

#define STORY_SHA     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define MS	      1000000ull
#define V(KIND, NAME) ev.v[EV_AT(KIND, NAME)]

struct story {
	struct journal *j;
	uint64_t t;
	uint64_t seq;
	bool hostile;
};

static inline void story_add(struct story *s, struct event ev, uint32_t proc)
{
	struct err err = { 0 };

	ev.t = s->t;
	ev.proc = proc;
	s->t += 7 * MS;
	if (journal_append(s->j, &ev, &s->seq, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
}

static inline void story_run(struct story *s, const char *command)
{
	struct event ev = { .kind = EV_RUN_BEGIN };
	struct err err = { 0 };
	uint32_t run;

	s->t = 0;
	V(RUN_BEGIN, WALL) = V_INT(1795461841123456789ll);
	V(RUN_BEGIN, ARGV) = V_Z(command);
	V(RUN_BEGIN, CWD) = V_Z("/root");
	V(RUN_BEGIN, HOST) = V_Z("6.1.0 x86_64");
	V(RUN_BEGIN, UIDMAP) = V_Z("range");
	V(RUN_BEGIN, NET) = V_Z("off");
	V(RUN_BEGIN, LIMITS) = V_Z("memory=4G(cgroup2);pids=4096(cgroup2)");
	V(RUN_BEGIN, LAYER) = V_INT(1);
	V(RUN_BEGIN, VERSION) = V_Z("0.1.0");
	if (journal_run_begin(s->j, &ev, &run, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
}

static inline void story_fork(struct story *s, uint32_t key, uint32_t parent)
{
	struct event ev = { .kind = EV_PROCESS };

	V(PROCESS, OP) = V_Z("fork");
	V(PROCESS, PID) = V_INT(key + 10);
	V(PROCESS, PARENT) = V_INT(parent);
	story_add(s, ev, key);
}

static inline void story_exec(struct story *s, uint32_t key, const char *image, const char *args,
			      const char *script)
{
	struct event ev = { .kind = EV_PROCESS };

	V(PROCESS, OP) = V_Z("exec");
	V(PROCESS, PID) = V_INT(key + 10);
	V(PROCESS, IMAGE) = V_Z(image);
	V(PROCESS, COMMAND_LINE) = V_Z(args);
	V(PROCESS, CWD) = V_Z("/root");
	V(PROCESS, SHA256) = V_Z(STORY_SHA);
	V(PROCESS, SCRIPT) = V_Z(script);
	V(PROCESS, UID) = V_INT(0);
	if (key == 1)
		V(PROCESS, CAUSE) = V_Z("run");
	story_add(s, ev, key);
}

static inline void story_exit(struct story *s, uint32_t key, int status, int signal)
{
	struct event ev = { .kind = EV_PROCESS };

	V(PROCESS, OP) = V_Z("exit");
	V(PROCESS, PID) = V_INT(key + 10);
	if (signal)
		V(PROCESS, SIGNAL) = V_INT(signal);
	else
		V(PROCESS, STATUS) = V_INT(status);
	story_add(s, ev, key);
}

static inline void story_file(struct story *s, uint32_t key, const char *op, const char *path,
			      const char *path2)
{
	struct event ev = { .kind = EV_FILE };

	V(FILE, OP) = V_Z(op);
	V(FILE, PATH) = V_Z(path);
	V(FILE, PATH2) = V_Z(path2);
	V(FILE, MODE) = V_INT(0755);
	story_add(s, ev, key);
}

static inline void story_socket(struct story *s, uint32_t key, const char *op, const char *family,
				const char *protocol, const char *address, int port,
				const char *answer, const char *reason)
{
	struct event ev = { .kind = EV_SOCKET };

	V(SOCKET, OP) = V_Z(op);
	V(SOCKET, FAMILY) = V_Z(family);
	V(SOCKET, PROTOCOL) = V_Z(protocol);
	V(SOCKET, ADDRESS) = V_Z(address);
	if (port >= 0)
		V(SOCKET, PORT) = V_INT(port);
	V(SOCKET, ANSWER) = V_Z(answer);
	V(SOCKET, REASON) = V_Z(reason);
	story_add(s, ev, key);
}

static inline void story_attempt(struct story *s, uint32_t key, const char *category,
				 const char *call, const char *args, const char *answer,
				 const char *reason)
{
	struct event ev = { .kind = EV_ATTEMPT };

	V(ATTEMPT, CATEGORY) = V_Z(category);
	V(ATTEMPT, CALL) = V_Z(call);
	V(ATTEMPT, ARGS) = V_Z(args);
	V(ATTEMPT, ANSWER) = V_Z(answer);
	V(ATTEMPT, ERRNO) = V_Z(strcmp(answer, "refused") ? NULL : "EPERM");
	V(ATTEMPT, REASON) = V_Z(reason);
	story_add(s, ev, key);
}

static inline void story_change(struct story *s, const char *op, const char *path, const char *type,
				int mode, uint32_t writer)
{
	struct event ev = { .kind = EV_CHANGE };

	V(CHANGE, OP) = V_Z(op);
	V(CHANGE, PATH) = V_Z(path);
	V(CHANGE, TYPE) = V_Z(type);
	V(CHANGE, MODE) = V_INT(mode);
	V(CHANGE, UID) = V_INT(0);
	V(CHANGE, GID) = V_INT(0);
	V(CHANGE, SIZE) = V_INT(1234);
	V(CHANGE, SHA256) = V_Z(strcmp(type, "file") ? NULL : STORY_SHA);
	V(CHANGE, WRITER) = V_INT(writer);
	story_add(s, ev, 0);
}

static inline void story_start(struct story *s, const char *op, const char *class,
			       const char *place, const char *name, const char *command)
{
	struct event ev = { .kind = EV_AUTOSTART };

	V(AUTOSTART, OP) = V_Z(op);
	V(AUTOSTART, CLASS) = V_Z(class);
	V(AUTOSTART, PLACE) = V_Z(place);
	V(AUTOSTART, NAME) = V_Z(name);
	V(AUTOSTART, COMMAND) = V_Z(command);
	V(AUTOSTART, PROGRAM) = V_Z("/opt/tax/svm");
	V(AUTOSTART, WRITER) = V_INT(3);
	V(AUTOSTART, TECHNIQUE) = V_Z("T1543.002");
	story_add(s, ev, 0);
}

static inline void story_plain(struct story *s, enum event_kind kind, const char *what,
			       const char *detail)
{
	struct event ev = { .kind = kind };

	switch (kind) {
	case EV_GAP:
		V(GAP, SOURCE) = V_Z(what);
		V(GAP, FROM) = V_INT(s->t);
		V(GAP, TO) = V_INT(s->t + 1000);
		V(GAP, DETAIL) = V_Z(detail);
		break;
	case EV_MISMATCH:
		V(MISMATCH, WHAT) = V_Z("truth-without-intent");
		V(MISMATCH, PATH) = V_Z(what);
		V(MISMATCH, DETAIL) = V_Z(detail);
		break;
	case EV_LIMIT:
		V(LIMIT, WHAT) = V_Z(what);
		V(LIMIT, VALUE) = V_INT(4096);
		V(LIMIT, MECHANISM) = V_Z("cgroup2 pids.max");
		V(LIMIT, DETAIL) = V_Z(detail);
		break;
	default:
		V(MARK, NAME) = V_Z(what);
		V(MARK, DETAIL) = V_Z(detail);
	}
	story_add(s, ev, 0);
}

static inline void story_end(struct story *s, int status, int left)
{
	struct event ev = { .kind = EV_RUN_END };

	V(RUN_END, WALL) = V_INT(1795461841123456789ll + (int64_t)s->t);
	V(RUN_END, STATUS) = V_INT(status);
	V(RUN_END, REASON) = V_Z("exit");
	V(RUN_END, LEFT) = V_INT(left);
	story_add(s, ev, 0);
}

static inline void story_flow(struct story *s, uint32_t key, int flow, const char *name,
			      const char *address, int port, const char *answer, const char *reason)
{
	struct event ev = { .kind = EV_FLOW };

	V(FLOW, OP) = V_Z("begin");
	V(FLOW, FLOW) = V_INT(flow);
	V(FLOW, PROTOCOL) = V_Z("tcp");
	V(FLOW, SRC) = V_Z("10.0.2.15");
	V(FLOW, SRC_PORT) = V_INT(40000 + flow);
	V(FLOW, DST) = V_Z(address);
	V(FLOW, DST_PORT) = V_INT(port);
	V(FLOW, NAME) = V_Z(name);
	V(FLOW, ANSWER) = V_Z(answer);
	V(FLOW, REASON) = V_Z(reason);
	story_add(s, ev, key);
}

static inline void story_flow_end(struct story *s, uint32_t key, int flow, const char *app,
				  const char *answer, int out, int in)
{
	struct event ev = { .kind = EV_FLOW };

	V(FLOW, OP) = V_Z("end");
	V(FLOW, FLOW) = V_INT(flow);
	V(FLOW, PROTOCOL) = V_Z("tcp");
	V(FLOW, APP) = V_Z(app);
	V(FLOW, ANSWER) = V_Z(answer);
	V(FLOW, BYTES_OUT) = V_INT(out);
	V(FLOW, BYTES_IN) = V_INT(in);
	V(FLOW, BURSTS) = V_INT(1);
	V(FLOW, END) = V_Z("closed");
	story_add(s, ev, key);
}

static inline void story_dns(struct story *s, uint32_t key, const char *op, const char *name,
			     const char *answer)
{
	struct event ev = { .kind = EV_DNS };

	V(DNS, OP) = V_Z(op);
	V(DNS, SERVER) = V_Z("9.9.9.9:53");
	V(DNS, TRANSPORT) = V_Z("udp");
	V(DNS, NAME) = V_Z(name);
	V(DNS, TYPE) = V_Z("A");
	if (answer) {
		V(DNS, RCODE) = V_Z("NOERROR");
		V(DNS, ANSWER) = V_Z(answer);
	}
	story_add(s, ev, key);
}

static inline void story_http(struct story *s, uint32_t key, int flow, const char *method,
			      const char *host, const char *target)
{
	struct event ev = { .kind = EV_HTTP };

	V(HTTP, OP) = V_Z("request");
	V(HTTP, FLOW) = V_INT(flow);
	V(HTTP, METHOD) = V_Z(method);
	V(HTTP, HOST) = V_Z(host);
	V(HTTP, TARGET) = V_Z(target);
	story_add(s, ev, key);
}

static inline void story_tls(struct story *s, uint32_t key, int flow, const char *op,
			     const char *sni, const char *side, const char *verdict)
{
	struct event ev = { .kind = EV_TLS };

	V(TLS, OP) = V_Z(op);
	V(TLS, FLOW) = V_INT(flow);
	V(TLS, SNI) = V_Z(sni);
	V(TLS, SIDE) = V_Z(side);
	V(TLS, VERDICT) = V_Z(verdict);
	story_add(s, ev, key);
}

static inline void story_banner(struct story *s, uint32_t key, int flow, const char *protocol,
				const char *expected, const char *out)
{
	struct event ev = { .kind = EV_BANNER };

	V(BANNER, FLOW) = V_INT(flow);
	V(BANNER, PROTOCOL) = V_Z(protocol);
	V(BANNER, EXPECTED) = V_Z(expected);
	V(BANNER, MISMATCH) = V_INT(expected && strcmp(expected, protocol) != 0);
	V(BANNER, OUT) = V_Z(out);
	story_add(s, ev, key);
}

static inline void story_canary(struct story *s, uint32_t key, int flow, const char *value,
				const char *encoding, const char *sample)
{
	struct event ev = { .kind = EV_CANARY };

	V(CANARY, FLOW) = V_INT(flow);
	V(CANARY, VALUE) = V_Z(value);
	V(CANARY, ENCODING) = V_Z(encoding);
	V(CANARY, WHERE) = V_Z("http-body");
	V(CANARY, OFFSET) = V_INT(12);
	V(CANARY, SAMPLE) = V_Z(sample);
	story_add(s, ev, key);
}

/* What the trojan of the founding case did on the network, and some more. */
static inline void story_network(struct story *s, uint32_t key)
{
	story_dns(s, key, "query", "www.svm.test", NULL);
	story_dns(s, key, "answer", "www.svm.test", "sinkhole");
	for (int i = 1; i <= 3; i++) {
		story_flow(s, key, i, "www.svm.test", "198.18.0.7", 9006, "sinkhole",
			   "not on the list of allowed names");
		story_banner(s, key, i, "http", NULL, "POST /register HTTP/1.1");
		story_http(s, key, i, "POST", "www.svm.test:9006", "/register");
		if (i == 2) {
			story_canary(s, key, i, "mac", "hex", "mac=020000abcdef&");
			story_canary(s, key, i, "document:budget.ods", "gzip+raw", "Plan 2027");
		}
		story_flow_end(s, key, i, "http", "sinkhole", 400, 150);
	}
	story_flow(s, key, 4, "bank.test", "192.0.2.80", 443, "allowed", "allowed by name");
	story_banner(s, key, 4, "tls", "tls", NULL);
	story_tls(s, key, 4, "client-hello", "bank.test", NULL, NULL);
	story_tls(s, key, 4, "certificate", "bank.test", "upstream", "ok");
	story_flow_end(s, key, 4, "tls", "allowed", 2000, 90000);
	/* the name in the hello is not the one that was allowed */
	story_flow(s, key, 5, "cdn.test", "192.0.2.81", 443, "allowed", "allowed by name");
	story_tls(s, key, 5, "client-hello", "hidden.test", NULL, NULL);
	story_flow_end(s, key, 5, "tls", "refused", 517, 0);
	story_flow(s, key, 6, "old.test", "192.0.2.82", 443, "allowed", "allowed by name");
	story_tls(s, key, 6, "certificate", "old.test", "upstream",
		  "the certificate ended at 2020-01-01T00:00:00Z");
	story_flow_end(s, key, 6, "tls", "refused", 0, 0);
	story_flow(s, key, 7, "pin.test", "192.0.2.83", 443, "allowed", "allowed by name");
	story_tls(s, key, 7, "alert", "pin.test", "box", "unknown_ca");
	story_flow_end(s, key, 7, "tls", "allowed", 300, 0);
	story_flow(s, key, 8, NULL, "203.0.113.5", 443, "refused", "a hard-coded address");
	story_flow_end(s, key, 8, NULL, "refused", 0, 0);
	story_flow(s, key, 9, "odd.test", "198.18.0.9", 443, "sinkhole",
		   "not on the list of allowed names");
	story_banner(s, key, 9, "ssh", "tls", "SSH-2.0-x");
	story_flow_end(s, key, 9, "ssh", "sinkhole", 20, 20);
	story_flow(s, key, 10, NULL, "9.9.9.9", 53, "allowed",
		   "asks for names: the box's resolver answers");
	story_flow_end(s, key, 10, "dns", "allowed", 30, 60);
}

/* All kinds of the network with a name in each field of text. */
static inline void story_net_hostility(struct story *s, uint32_t key, int first)
{
	static const enum event_kind kinds[] = { EV_FLOW, EV_BURST,  EV_DNS,	EV_TLS,
						 EV_HTTP, EV_BANNER, EV_CANARY, EV_CONTENT };
	static const int flow_at[] = {
		EV_AT(FLOW, FLOW), EV_AT(BURST, FLOW),	EV_AT(DNS, FLOW),    EV_AT(TLS, FLOW),
		EV_AT(HTTP, FLOW), EV_AT(BANNER, FLOW), EV_AT(CANARY, FLOW), EV_AT(CONTENT, FLOW),
	};
	size_t n = sizeof(hostile_names) / sizeof(hostile_names[0]);

	for (size_t i = 0; i < n * 3; i++) {
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			const struct kind_def *def = event_kind_def(kinds[k]);
			struct event ev = { .kind = kinds[k] };

			for (int field = 0; field < def->nfields; field++)
				ev.v[field] = def->field[field].type == VAL_INT
						      ? V_INT(1 + i)
						      : V_Z(hostile_names[i % n]);
			ev.v[flow_at[k]] = V_INT(first + (int)i);
			/* the words that decide which sentence is said, in turn */
			if (kinds[k] == EV_FLOW)
				V(FLOW, OP) = V_Z("begin");
			if (kinds[k] == EV_DNS)
				V(DNS, OP) = V_Z("answer");
			if (kinds[k] == EV_HTTP)
				V(HTTP, OP) = V_Z("request");
			if (kinds[k] == EV_TLS)
				V(TLS, OP) = V_Z(i < n	     ? "certificate"
						 : i < 2 * n ? "alert"
							     : "client-hello");
			if (kinds[k] == EV_TLS && i >= n && i < 2 * n)
				V(TLS, SIDE) = V_Z("box");
			story_add(s, ev, key);
		}
	}
}

/* Names of all kinds, in every field that takes one. */
static inline void story_hostility(struct story *s)
{
	for (size_t i = 0; i < sizeof(hostile_names) / sizeof(hostile_names[0]); i++) {
		const char *n = hostile_names[i];
		uint32_t key = 100 + (uint32_t)i;

		story_fork(s, key, 3);
		story_exec(s, key, n, n, i & 1 ? n : NULL);
		story_file(s, key, "create", n, NULL);
		story_file(s, key, "rename", n, n);
		story_socket(s, key, "connect", "unix", "stream", n, -1, "refused", n);
		story_attempt(s, key, n, n, n, "refused", n);
		story_exit(s, key, 0, 0);
		story_change(s, "added", n, "file", 04755, key);
		story_start(s, "added", n, n, n, n);
		story_plain(s, EV_MARK, n, n);
		if (s->hostile) {
			story_plain(s, EV_GAP, n, n);
			story_plain(s, EV_MISMATCH, n, n);
			story_plain(s, EV_LIMIT, n, n);
		}
	}
}

static inline void story_installer(struct story *s)
{
	story_fork(s, 1, 0);
	story_exec(s, 1, "/usr/bin/dash", "sh setup.run", "/root/setup.run");
	story_fork(s, 2, 1);
	story_exec(s, 2, "/usr/bin/tar", "tar xf payload.tar -C /opt/tax", NULL);
	story_file(s, 2, "mkdir", "/opt/tax", NULL);
	story_file(s, 2, "create", "/opt/tax/svm", NULL);
	story_file(s, 2, "create", "/opt/tax/tax", NULL);
	for (int i = 0; i < 40; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/opt/tax/data/form%02d.xml", i);
		story_file(s, 2, "create", path, NULL);
	}
	story_exit(s, 2, 0, 0);
	story_fork(s, 3, 1);
	story_exec(s, 3, "/opt/tax/svm", "/opt/tax/svm --install", NULL);
	story_file(s, 3, "create", "/etc/systemd/system/svm.service", NULL);
	story_socket(s, 3, "connect", "unix", "stream", "/run/dbus/system_bus_socket", -1, "local",
		     NULL);
	story_socket(s, 3, "sendto", "inet", "udp", "192.0.2.53", 53, "refused",
		     "no route out (--net off)");
	for (int i = 0; i < 5; i++)
		story_socket(s, 3, "connect", "inet", "tcp", "203.0.113.9", 9006, "refused",
			     "no route out (--net off)");
	story_socket(s, 3, "connect", "inet6", "tcp", "2001:db8::7", 443, "refused",
		     "no route out (--net off)");
	story_socket(s, 3, "connect", "inet", "tcp", "127.0.0.1", 6379, NULL, NULL);
	story_socket(s, 3, "listen", "inet", "tcp", "0.0.0.0", 33666, NULL, NULL);
	story_attempt(s, 3, "module", "init_module", "rootkit.ko", "refused",
		      "kernel modules cannot be loaded from a box");
	story_attempt(s, 3, "ptrace", "ptrace", "PTRACE_ATTACH pid 1", "refused",
		      "a box's first process cannot be traced");
	story_attempt(s, 2, "privilege", "chown", "/opt/tax 0:0", "claimed", "root emulation");
	for (uint32_t k = 10; k < 45; k++) {
		char args[64];

		story_fork(s, k, 3);
		snprintf(args, sizeof(args), "sha256sum /opt/tax/data/form%02u.xml", k);
		story_exec(s, k, "/usr/bin/sha256sum", args, NULL);
		story_exit(s, k, 0, 0);
	}
	for (uint32_t k = 50; k < 60; k++) {
		story_fork(s, k, 1);
		story_exec(s, k, "/usr/bin/sleep", "sleep 0.1", NULL);
		story_exit(s, k, k == 55, 0);
	}
}

/* @hostile: gaps, mismatches and limits as well */
static inline void story_write(struct journal *j, bool hostile)
{
	struct story s = { .j = j, .hostile = hostile };
	struct event ev = { .kind = EV_SIGNAL };

	story_run(&s, "./setup.run --accept-licence");
	story_installer(&s);
	if (hostile) {
		story_hostility(&s);
		story_network(&s, 3);
		story_net_hostility(&s, 3, 11);
	}
	V(SIGNAL, CALL) = V_Z("kill");
	V(SIGNAL, SIGNO) = V_INT(15);
	V(SIGNAL, PID) = V_INT(12);
	V(SIGNAL, TARGET) = V_INT(2);
	story_add(&s, ev, 3);
	story_fork(&s, 70, 3);
	story_exec(&s, 70, "/opt/tax/svm", "/opt/tax/svm --daemon", NULL);
	story_fork(&s, 71, 3);
	story_exec(&s, 71, "/memfd:stage (deleted)", "stage", NULL);
	story_exit(&s, 71, 0, 11);
	story_exit(&s, 3, 0, 0);
	story_exit(&s, 1, 0, 0);
	story_change(&s, "added", "/opt/tax", "dir", 0755, 2);
	story_change(&s, "added", "/opt/tax/svm", "file", 0755, 2);
	story_change(&s, "added", "/opt/tax/helper", "file", 04755, 2);
	for (int i = 0; i < 40; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/opt/tax/data/form%02d.xml", i);
		story_change(&s, "added", path, "file", 0644, 2);
	}
	story_change(&s, "changed", "/etc/passwd", "file", 0644, 3);
	story_change(&s, "changed", "/etc/hosts", "file", 0644, 3);
	story_change(&s, "added", "/usr/local/share/ca-certificates/tax.crt", "file", 0644, 3);
	story_change(&s, "added", "/etc/systemd/system/svm.service", "file", 0644, 3);
	story_change(&s, "removed", "/etc/cron.daily/backup", "file", 0755, 3);
	story_change(&s, "meta", "/var/log/tax", "dir", 0700, 3);
	story_start(&s, "added", "systemd-system", "/etc/systemd/system/svm.service", "svm.service",
		    "/opt/tax/svm --daemon");
	story_start(&s, "removed", "cron", "/etc/cron.daily/backup", "backup", NULL);
	/* these start nothing */
	story_start(&s, "added", "systemd-system", "/etc/systemd/system/old.service", "old.service",
		    AUTOSTART_MASKED);
	story_start(&s, "added", "init.d", "/etc/rc0.d/K01svm", "K01svm", "stop in runlevel 0");
	story_start(&s, "added", "network-hook", "/etc/svm/up.conf", "up.conf", AUTOSTART_ASLEEP);
	story_end(&s, 0, 1);
}

#undef V
#undef MS
#endif
