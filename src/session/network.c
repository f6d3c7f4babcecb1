// SPDX-License-Identifier: Apache-2.0
/*
 * network.c - the policy and the gate of a session
 *
 * The policy of a named box is the file `policy` in its folder: read at each run, changed by what
 * the command line adds, written back, and watched while programs run, so that a change by anybody
 * who may write it takes effect at once. A file that cannot be read changes nothing.
 */
#include "session/network.h"

#include <assert.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

static_assert(GATE_PORT == BOX_GATE_PORT && GATE_MARK == BOX_GATE_MARK,
	      "the gate stands where the box's packets go");

/* ---- the policy --------------------------------------------------------------------------- */

static int parse(struct policy *p, const char *text, size_t n, const char *file, struct err *err)
{
	return policy_parse(p, text, n, file, err);
}

static int of_box(struct policy *p, struct box *box, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t n;
	int rc;

	rc = read_file_at(box_dirfd(box), "policy", POLICY_FILE_MAX, &text, &n);
	if (rc == -ENOENT)
		return 0;
	return rc ? err_set_exit(err, EXIT_UNREADABLE, rc, "run: read the box's policy")
		  : parse(p, text, n, "policy", err);
}

static int add_options(struct policy *p, const struct network_opts *o, struct err *err)
{
	char mode[32];
	int rc = 0;

	if (o->mode_given) {
		snprintf(mode, sizeof(mode), "mode %s\n", gate_mode_word(o->mode));
		rc = parse(p, mode, strlen(mode), "--net", err);
	}
	for (int i = 0; i < o->nwords && !rc; i++)
		rc = o->word[i].what == WORD_TLS_OPEN
			     ? policy_tls_open(p, o->word[i].text, err)
			     : policy_add_word(p, o->word[i].what == WORD_ALLOW, o->word[i].text,
					       err);
	return rc;
}

/* The file is the user's, with its comments: it is written only when the command line says
 * something of the policy, and a file that it names is taken as it is when it says nothing else. */
static int keep_policy(const struct network_opts *o, struct box *box, const struct policy *p,
		       struct err *err)
{
	bool more = o->mode_given || o->nwords;
	cleanup_buf struct buf text = { 0 };
	int rc;

	if (!more && !o->policy_text)
		return 0;
	if (more)
		policy_print(p, &text);
	else
		buf_add(&text, o->policy_text, o->policy_n);
	rc = write_file_at(box_dirfd(box), "policy", 0600, text.p, text.n);
	return rc ? err_set(err, rc, "run: write the box's policy") : 0;
}

static int make_policy(const struct network_opts *o, struct box *box, bool keep,
		       struct policy **ret, struct err *err)
{
	struct policy *p = policy_new(GATE_DECLARED);
	int rc = 0;

	/* --policy FILE is the whole policy; else the box's own is what is added to */
	if (o->policy_text)
		rc = parse(p, o->policy_text, o->policy_n, o->policy_file, err);
	else if (keep)
		rc = of_box(p, box, err);
	if (!rc)
		rc = add_options(p, o, err);
	policy_own_addresses(p);
	if (!rc && keep)
		rc = keep_policy(o, box, p, err);
	if (rc)
		policy_free(p);
	else
		*ret = p;
	return rc;
}

/* ---- what the gate is lent ---------------------------------------------------------------- */

static pid_t start_inside(void *run, void (*fn)(void *arg, int fd), void *arg, int fd,
			  struct err *err)
{
	return box_run_inside(run, fn, arg, fd, err);
}

static int reads_out(void *run, bool *ret, struct err *err)
{
	enum box_net_by by;
	int rc = box_run_net_by(run, &by, err);

	if (!rc)
		*ret = by == BOX_NET_BY_SLIRP;
	return rc;
}

static uint32_t owner(void *rec, int protocol, bool ip6, uint16_t port, uint64_t at)
{
	return recorder_flow_owner(rec, protocol, ip6, port, at);
}

static int keep_bytes(void *box, const void *p, size_t n, char ret_sha256[SHA256_HEX],
		      bool *ret_kept, struct err *err)
{
	cleanup_close int fd = memfd_create("content", MFD_CLOEXEC);
	uint64_t size;
	int rc = fd < 0 ? -errno : write_full(fd, p, n);

	return rc ? err_set(err, rc, "run: keep what was sent")
		  : object_keep(box_dirfd(box), fd, NULL, ret_sha256, &size, ret_kept, err);
}

static void take_canary(void *ctx, const char *label, const char *value)
{
	struct network *n = ctx;

	if (n->ncanaries == ARRAY_SIZE(n->canary) || strlen(value) < CANARY_MIN)
		return;
	n->canary[n->ncanaries++] = (struct gate_canary){ xstrdup(label), xstrdup(value) };
}

static int capture_files(struct network *n, struct err *err)
{
	int dir = box_dirfd(n->box);

	if (mkdirat(dir, "captures", 0700) && errno != EEXIST)
		return err_set(err, errno, "run: make the folder 'captures' of the box");
	n->pcap = openat(dir, "captures/new.pcapng",
			 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	n->keylog = openat(dir, "captures/new.keys",
			   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return n->pcap < 0 || n->keylog < 0 ? err_set(err, errno, "run: make the capture file") : 0;
}

static void watch_policy(struct network *n)
{
	char name[64];

	n->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", box_dirfd(n->box));
	if (n->watch >= 0)
		inotify_add_watch(n->watch, name, IN_CLOSE_WRITE | IN_MOVED_TO);
}

int network_start(struct network *n, const struct network_opts *o, struct box *box,
		  struct box_run *run, const struct recorder_lapse *lapse, bool keep,
		  struct err *err)
{
	struct gate_opts g = { .answers_fd = o->answers ? o->answers_fd : -1,
			       .answers = o->answers,
			       .nxdomain_first = o->nxdomain_first,
			       .sink_refuses = o->refuse,
			       .sink_silent = o->silent,
			       .canary = n->canary,
			       .clock = lapse ? lapse->clock_ro : NULL,
			       .hints = lapse ? lapse->hints : NULL,
			       .starter = run,
			       .reads_out = reads_out,
			       .start_inside = start_inside,
			       .owner = owner };
	int rc;

	*n = (struct network){ .box = box, .watch = -1, .pcap = -1, .keylog = -1, .word = "off" };
	if (o->off)
		return 0;
	/* asked for only now: a passing box has no folder until somebody wants it */
	g.box_dirfd = box_dirfd(box);
	rc = make_policy(o, box, keep, &g.policy, err);
	if (rc)
		return rc;
	n->word = gate_mode_word(policy_mode(g.policy));
	if (keep)
		rc = capture_files(n, err);
	if (keep && !rc) {
		g.keep = keep_bytes;
		g.keep_ctx = box;
		box_canaries(box, take_canary, n);
		g.ncanaries = n->ncanaries;
		watch_policy(n);
	}
	if (!rc)
		rc = shared_make(sizeof(*n->uses), &n->shared, err);
	n->uses = n->shared.rw;
	g.uses = n->shared.ro;
	g.pcap_fd = n->pcap;
	g.keylog_fd = n->keylog;
	if (!rc)
		rc = gate_start(&g, &n->gate, err);
	if (!rc)
		rc = box_run_net_by(run, &n->by, err);
	else
		policy_free(g.policy);
	return rc;
}

int network_serve(struct network *n, struct journal *j, struct recorder *rec, uint32_t nr,
		  struct err *err)
{
	char name[64];

	if (!n->gate)
		return 0;
	if (n->pcap >= 0) {
		snprintf(name, sizeof(name), "captures/%u.pcapng", nr);
		if (renameat(box_dirfd(n->box), "captures/new.pcapng", box_dirfd(n->box), name))
			return err_set(err, errno, "run: name the capture file");
		snprintf(name, sizeof(name), "captures/%u.keys", nr);
		if (renameat(box_dirfd(n->box), "captures/new.keys", box_dirfd(n->box), name))
			return err_set(err, errno, "run: name the capture file");
	}
	recorder_watch(rec, gate_pid(n->gate), gate_pid(n->gate));
	return gate_serve(n->gate, j, rec, err);
}

/* ---- while it runs ------------------------------------------------------------------------ */

static bool policy_touched(int watch)
{
	union {
		char bytes[4096];
		struct inotify_event align;
	} b;
	bool touched = false;
	ssize_t k;

	while ((k = read(watch, b.bytes, sizeof(b.bytes))) > 0)
		for (ssize_t at = 0; at < k;) {
			const struct inotify_event *e = (const void *)(b.bytes + at);

			touched |=
				e->mask & IN_Q_OVERFLOW || (e->len && !strcmp(e->name, "policy"));
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	return touched;
}

bool network_look(struct network *n)
{
	struct policy *p;

	if (!n->gate)
		return true;
	if (n->watch >= 0 && policy_touched(n->watch) && !n->manners.silent) {
		p = policy_new(GATE_DECLARED);
		policy_own_addresses(p);
		if (of_box(p, n->box, NULL))
			policy_free(p);
		else
			gate_set_policy(n->gate, p, NULL);
	}
	return !gate_failed(n->gate);
}

int network_cut(struct network *n, bool cut, struct err *err)
{
	struct policy *p;
	int rc = 0;

	if (!n->gate)
		return 0;
	p = policy_new(GATE_CLOSED);
	policy_own_addresses(p);
	if (!cut) {
		policy_set_mode(p, GATE_DECLARED);
		rc = of_box(p, n->box, err);
	}
	if (rc) {
		policy_free(p);
		return rc;
	}
	n->manners.silent = cut;
	gate_set_manners(n->gate, &n->manners);
	return gate_set_policy(n->gate, p, err);
}

int network_other_names(struct network *n, struct err *err)
{
	(void)err;
	if (!n->gate)
		return 0;
	n->manners.book++;
	gate_set_manners(n->gate, &n->manners);
	return 0;
}

static void close_p(int *fd)
{
	if (*fd >= 0)
		close(steal_fd(fd));
}

void network_stop(struct network *n)
{
	gate_stop(n->gate);
	n->gate = NULL;
	close_p(&n->watch);
	close_p(&n->pcap);
	close_p(&n->keylog);
}

void network_free(struct network *n)
{
	for (int i = 0; i < n->ncanaries; i++) {
		free((char *)n->canary[i].label);
		free((char *)n->canary[i].value);
	}
	n->ncanaries = 0;
	n->uses = NULL;
	shared_free(&n->shared);
}
