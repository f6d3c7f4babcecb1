// SPDX-License-Identifier: Apache-2.0
/*
 * answers.c - files that the sinkhole serves: --answers DIR
 *
 * Theory of operation
 *
 * The folder is read once, before the gate is locked, into one table. A file's key is its path in
 * the folder with every %XX decoded, so that 'a%2Fb' and 'b' in the folder 'a' are the same; a
 * request is decoded in the same way. doc/POLICY.md says what the names mean:
 *
 *   http/HOST[:PORT]/PATH[?QUERY][#METHOD][#N]   body of an answer; HOST '_' is any host
 *   … .headers                                   its status line and fields
 *   tcp/[HOST:]PORT.greet, .reply[#N]            bytes that are said first, or in the N-th turn
 *   udp/[HOST:]PORT.reply[#N]                    the N-th datagram
 */
#include <ctype.h>
#include <dirent.h>
#include <strings.h>
#include <sys/stat.h>
#include <uthash.h>

#include "gate/sink/answers.h"

#define DEPTH_MAX 32
#define FILES_MAX 100000
#define KEY_MAX	  8192

struct file {
	UT_hash_handle hh;
	char *p;
	size_t n;
	struct file *headers; /* NULL: none */
	int status;	      /* of a .headers file, with .fields below */
	struct buf fields;
	unsigned asked;
	char key[];
};

struct answers {
	struct file *files;
	uint64_t total;
};

/* ---- reading the folder ------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
					    : -1;
}

/* %XX decoded; %00 stays. False when it does not fit. */
static bool decode(const char *p, size_t n, char *out, size_t room)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%' && i + 2 < n && hex_digit(p[i + 1]) >= 0 && hex_digit(p[i + 2]) >= 0) {
			int v = hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]);

			if (v) {
				c = (char)v;
				i += 2;
			}
		}
		if (k + 1 >= room)
			return false;
		out[k++] = c ? c : '?';
	}
	out[k] = 0;
	return true;
}

static int add_file(struct answers *a, int dirfd, const char *name, const char *path,
		    struct err *err)
{
	char key[KEY_MAX];
	struct file *f, *old;
	int rc;

	if (HASH_COUNT(a->files) >= FILES_MAX)
		return err_set_exit(err, EXIT_USAGE, E2BIG,
				    "gate: read '%s' of --answers: more than %d files", path,
				    FILES_MAX);
	if (!decode(path, strlen(path), key, sizeof(key)))
		return err_set_exit(err, EXIT_USAGE, ENAMETOOLONG, "gate: read '%s' of --answers",
				    path);
	f = xcalloc(1, sizeof(*f) + strlen(key) + 1);
	strcpy(f->key, key);
	rc = read_file_at(dirfd, name, ANSWERS_TOTAL_MAX - a->total, &f->p, &f->n);
	if (rc) {
		free(f);
		return err_set_exit(err, EXIT_UNREADABLE, rc, "gate: read '%s' of --answers", path);
	}
	a->total += f->n;
	HASH_FIND_STR(a->files, f->key, old);
	if (old) {
		rc = err_set_exit(
			err, EXIT_USAGE, EEXIST,
			"gate: read '%s' of --answers: a second file of that name, once decoded",
			path);
		free(f->p);
		free(f);
		return rc;
	}
	HASH_ADD_STR(a->files, key, f);
	return 0;
}

static int add_folder(struct answers *a, int fd, const char *path, int depth, struct err *err)
{
	cleanup_close int own = fd;
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "gate: read '%s' of --answers",
				    path);
	steal_fd(&own); /* the stream's now */
	while (!rc && (e = readdir(d))) {
		cleanup_free char *at = xasprintf("%s%s%s", path, *path ? "/" : "", e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' && (!e->d_name[1] || !strcmp(e->d_name, "..")))
			continue;
		if (fstatat(fd, e->d_name, &st, 0))
			continue; /* a link to nowhere */
		if (S_ISREG(st.st_mode)) {
			rc = add_file(a, fd, e->d_name, at, err);
		} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			rc = sub < 0 ? err_set_exit(err, EXIT_UNREADABLE, errno,
						    "gate: read '%s' of --answers", at)
				     : add_folder(a, sub, at, depth + 1, err);
		}
	}
	closedir(d);
	return rc;
}

/* ---- status and fields -------------------------------------------------------------------- */

/* What our own framing says, or what belongs to the recorded connection alone. */
static bool field_is_framing(const char *line)
{
	static const char *const names[] = {
		"content-length:", "transfer-encoding:", "connection:", "keep-alive:",
		"date:",	   "alt-svc:",		 "trailer:"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncasecmp(line, names[i], strlen(names[i])))
			return true;
	return false;
}

static void read_headers(struct file *f)
{
	char *line = f->p, *end;

	f->status = 200;
	for (; *line; line = end) {
		size_t n = strcspn(line, "\r\n");

		end = line + n + strspn(line + n, "\r\n");
		if (line == f->p &&
		    (!strncasecmp(line, "HTTP/", 5) || isdigit((unsigned char)*line))) {
			const char *status =
				isdigit((unsigned char)*line) ? line : strchr(line, ' ');
			long v = status ? strtol(status, NULL, 10) : 0;

			f->status = v >= 200 && v <= 599 ? (int)v : 200;
			continue;
		}
		if (!memchr(line, ':', n) || field_is_framing(line))
			continue;
		buf_add(&f->fields, line, n);
		buf_puts(&f->fields, "\r\n");
	}
}

static void join_headers(struct answers *a)
{
	static const char suffix[] = ".headers";

	for (struct file *f = a->files; f; f = f->hh.next) {
		size_t n = strlen(f->key), k = sizeof(suffix) - 1;
		struct file *of;

		if (n <= k || strcmp(f->key + n - k, suffix))
			continue;
		HASH_FIND(hh, a->files, f->key, n - k, of);
		if (!of)
			continue;
		of->headers = f;
		read_headers(f);
	}
}

int answers_open(int dirfd, struct answers **ret, struct err *err)
{
	struct answers *a = xcalloc(1, sizeof(*a));
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		rc = err_set_exit(err, EXIT_UNREADABLE, errno,
				  "gate: read the folder of --answers");
	else
		rc = add_folder(a, fd, "", 0, err);
	if (rc) {
		answers_free(a);
		return rc;
	}
	join_headers(a);
	*ret = a;
	return 0;
}

void answers_free(struct answers *a)
{
	struct file *f, *next;

	if (!a)
		return;
	HASH_ITER(hh, a->files, f, next)
	{
		HASH_DEL(a->files, f);
		buf_free(&f->fields);
		free(f->p);
		free(f);
	}
	free(a);
}

/* ---- looking up --------------------------------------------------------------------------- */

static struct file *find(const struct answers *a, const char *key)
{
	struct file *f;

	HASH_FIND_STR(a->files, key, f);
	return f;
}

/* The file of that key; asked again: the next of its numbered ones, as long as there are. */
static struct file *find_turn(const struct answers *a, const char *key)
{
	struct file *first = find(a, key), *f = NULL;
	char numbered[KEY_MAX + 16];

	if (!first)
		return NULL;
	for (unsigned turn = first->asked + 1; turn > 1 && !f; turn--) {
		snprintf(numbered, sizeof(numbered), "%s#%u", key, turn);
		f = find(a, numbered);
		if (!f && turn == first->asked + 1)
			first->asked--; /* there is none: stay at the last */
	}
	first->asked++;
	return f ? f : first;
}

static struct file *find_path(const struct answers *a, const char *host, const char *method,
			      const char *path, size_t n)
{
	char text[KEY_MAX], key[KEY_MAX];
	struct file *f = NULL;
	size_t k;

	if (snprintf(text, sizeof(text), "http/%s/%.*s", host, (int)n, path) >= (int)sizeof(text) ||
	    !decode(text, strlen(text), key, sizeof(key) - 64))
		return NULL;
	k = strlen(key);
	if (key[k - 1] == '/')
		k = (size_t)(stpcpy(key + k, "index.html") - key);
	if (strlen(method) < 24) {
		snprintf(key + k, sizeof(key) - k, "#%s", method);
		f = find_turn(a, key);
		key[k] = 0;
	}
	return f ? f : find_turn(a, key);
}

/* host without port, lower case, nothing that would leave its place in the key */
static void host_key(const char *host, char out[NAME_MAX_DNS + 1])
{
	size_t n = 0, end = strlen(host);
	const char *colon = strrchr(host, ':');

	if (host[0] == '[') {
		host++;
		end = strcspn(host, "]");
	} else if (colon && colon == strchr(host, ':')) {
		end = (size_t)(colon - host);
	}
	for (; n < end && n < NAME_MAX_DNS; n++)
		out[n] = host[n] == '/' || host[n] == '%' ? '_'
							  : (char)tolower((unsigned char)host[n]);
	out[n] = 0;
}

bool answers_http(const struct answers *a, const char *host, uint16_t port, const char *method,
		  struct str target, struct answer *ret)
{
	char name[NAME_MAX_DNS + 1], hosts[3][NAME_MAX_DNS + 8];
	struct file *f = NULL;
	const char *p, *query;
	size_t n;

	if (!a || target.n > KEY_MAX / 2)
		return false;
	/* from the first '/' of the path on, also in "http://host/path" */
	p = memmem(target.p, target.n, "://", 3);
	p = p && target.n && target.p[0] != '/' ? p + 3 : target.p;
	n = target.n - (size_t)(p - target.p);
	if (!memchr(p, '/', n))
		return false;
	n -= (size_t)((const char *)memchr(p, '/', n) + 1 - p);
	p = target.p + target.n - n;
	query = memchr(p, '?', n);
	host_key(host, name);
	snprintf(hosts[0], sizeof(hosts[0]), "%s:%u", name, port);
	snprintf(hosts[1], sizeof(hosts[1]), "%s", name);
	snprintf(hosts[2], sizeof(hosts[2]), "_");
	for (size_t i = 0; i < ARRAY_SIZE(hosts) && !f; i++) {
		f = find_path(a, hosts[i], method, p, n);
		if (!f && query)
			f = find_path(a, hosts[i], method, p, (size_t)(query - p));
	}
	if (!f)
		return false;
	*ret = (struct answer){ .status = 200, .body = { f->p, f->n } };
	if (f->headers) {
		ret->status = f->headers->status;
		ret->fields = (struct str){ f->headers->fields.p, f->headers->fields.n };
	}
	return true;
}

/* ---- raw bytes ---------------------------------------------------------------------------- */

static struct file *find_raw(const struct answers *a, const char *folder, const char *host,
			     uint16_t port, const char *what)
{
	char name[NAME_MAX_DNS + 1], key[NAME_MAX_DNS + 64];
	struct file *f;

	if (!a)
		return NULL;
	host_key(host, name);
	snprintf(key, sizeof(key), "%s/%s:%u.%s", folder, name, port, what);
	f = find(a, key);
	if (f)
		return f;
	snprintf(key, sizeof(key), "%s/%u.%s", folder, port, what);
	return find(a, key);
}

bool answers_greets(const struct answers *a, const struct talk *t)
{
	return find_raw(a, "tcp", t->host, t->facts->dst.port, "greet");
}

bool answers_speak(const struct answers *a, const struct talk *t)
{
	return find_raw(a, "tcp", t->host, t->facts->dst.port, "reply");
}

bool answers_datagram(const struct answers *a, const char *host, uint16_t port, struct buf *reply)
{
	struct file *f = find_raw(a, "udp", host, port, "reply");

	if (!f)
		return false;
	f = find_turn(a, f->key);
	buf_add(reply, f->p, f->n < 65507 ? f->n : 65507); /* the longest datagram of IPv4 */
	return true;
}

struct recorded {
	unsigned turn;
	struct str rest;
};

static enum talked say_rest(struct recorded *r, struct buf *out)
{
	size_t n = r->rest.n < TALK_OUT_MAX ? r->rest.n : TALK_OUT_MAX;

	if (n)
		buf_add(out, r->rest.p, n);
	r->rest.p += n;
	r->rest.n -= n;
	return r->rest.n ? TALK_MORE : TALK_ON;
}

static enum talked recorded_greet(struct talk *t, struct buf *out)
{
	struct recorded *r = t->state;
	const struct file *f =
		find_raw(t->env->answers, "tcp", t->host, t->facts->dst.port, "greet");

	if (f)
		r->rest = (struct str){ f->p, f->n };
	return say_rest(r, out);
}

static enum talked recorded_input(struct talk *t, struct buf *out)
{
	struct recorded *r = t->state;
	const struct file *f;
	char what[32];

	if (r->rest.n)
		return say_rest(r, out);
	if (!talk_left(t))
		return TALK_ON;
	talk_take(t, talk_left(t));
	r->turn++;
	if (r->turn == 1)
		snprintf(what, sizeof(what), "reply");
	else
		snprintf(what, sizeof(what), "reply#%u", r->turn);
	f = find_raw(t->env->answers, "tcp", t->host, t->facts->dst.port, what);
	if (f)
		r->rest = (struct str){ f->p, f->n };
	return say_rest(r, out);
}

const struct speaker speaker_recorded = { .state = sizeof(struct recorded),
					  .greet = recorded_greet,
					  .input = recorded_input };
