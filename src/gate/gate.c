// SPDX-License-Identifier: Apache-2.0
/*
 * gate.c - start and stop the gate
 */
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "gate/desk/desk.h"
#include "gate/inside/inside.h"

#define READY_MS 20000

static void close_p(int *fd)
{
	if (*fd >= 0)
		close(steal_fd(fd));
}

static void gate_free(struct gate *g)
{
	desk_drop_notes(g);
	lookups_leave(g->lookups);
	desk_forget(g);
	policy_free(g->policy);
	close_p(&g->sock);
	close_p(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* Everything of the host that the gate process will need: it cannot open a file any more. */
static int gather(struct inside *in, const struct gate_opts *o, struct err *err)
{
	bool reads_out = false;
	int rc = 0;

	in->opts = o;
	in->policy = o->policy;
	if (o->box_dirfd >= 0)
		rc = ca_open(o->box_dirfd, &in->ca, err);
	if (!rc)
		rc = trust_open(&in->trust, err);
	if (!rc && o->answers_fd >= 0)
		rc = answers_open(o->answers_fd, &in->answers, err);
	if (!rc && o->reads_out)
		rc = o->reads_out(o->starter, &reads_out, err);
	if (!rc && reads_out)
		rc = frames_load(&in->frames, err);
	return rc;
}

/* The gate process has its own by then. */
static void let_go(struct inside *in)
{
	ca_free(in->ca);
	trust_free(in->trust);
	answers_free(in->answers);
	frames_unload(in->frames);
	free(in);
}

static int await_ready(struct gate *g, struct err *err)
{
	char bytes[sizeof(struct wire_head) + ERR_MSG_MAX];
	struct pollfd p = { .fd = g->sock, .events = POLLIN };
	struct wire_cursor c;
	enum wire_type type;
	int status = 0, rc;
	struct str s;
	ssize_t k;

	do
		rc = poll(&p, 1, READY_MS);
	while (rc < 0 && errno == EINTR);
	k = rc > 0 ? recv(g->sock, bytes, sizeof(bytes), 0) : 0;
	c = (struct wire_cursor){ (uint8_t *)bytes, (uint8_t *)bytes + (k > 0 ? k : 0) };
	if (k > 0 && wire_next(&c, &type, &s) == 1 && type == WIRE_READY)
		return s.n ? err_set_exit(err, EXIT_NO_WALL, 0, "%.*s", (int)s.n, s.p) : 0;
	kill(g->pid, SIGKILL);
	waitpid(g->pid, &status, 0);
	g->pid = 0;
	return err_set_exit(err, EXIT_NO_WALL,
			    WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EPIPE,
			    "gate: make the gate process");
}

static int launch(struct gate *g, struct inside *in, struct err *err)
{
	int pair[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(err, errno, "gate: make a socket");
	g->sock = pair[0];
	if (g->opts.pcap_fd >= 0)
		rc = fdpass_send(g->sock, "p", 1, &g->opts.pcap_fd, 1);
	if (rc)
		err_set(err, rc, "gate: hand the capture file over");
	else
		g->pid = g->opts.start_inside(g->opts.starter, inside_main, in, pair[1], err);
	close(pair[1]);
	return rc ? rc : g->pid < 0 ? g->pid : 0;
}

int gate_start(const struct gate_opts *opts, struct gate **ret_gate, struct err *err)
{
	struct gate *g = xcalloc(1, sizeof(*g));
	struct inside *in = xcalloc(1, sizeof(*in));
	struct err none = { 0 };
	int rc;

	if (!err)
		err = &none;
	g->opts = *opts;
	g->sock = -1;
	g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->notes_end = &g->notes;
	g->sockets_max = DESK_SOCKETS_MAX;
	pthread_mutex_init(&g->lock, NULL);
	rc = gather(in, &g->opts, err);
	if (!rc)
		rc = launch(g, in, err);
	let_go(in);
	if (rc) {
		if (g->pid > 0) {
			kill(g->pid, SIGKILL);
			waitpid(g->pid, NULL, 0);
		}
		gate_free(g);
		return rc;
	}
	g->policy = opts->policy;
	*ret_gate = g;
	return 0;
}

int gate_serve(struct gate *g, struct journal *j, void *owner_ctx, struct err *err)
{
	struct wire_begin b = { 0 };
	int rc = await_ready(g, err);

	if (rc)
		return rc;
	b.t0 = clock_mono_ns() + box_clock_ahead(g->opts.clock) - journal_now(j);
	g->j = j;
	g->t0 = b.t0;
	if (owner_ctx)
		g->opts.owner_ctx = owner_ctx;
	g->lookups = lookups_new();
	desk_say(g, WIRE_BEGIN, &b, sizeof(b), NULL, 0, -1);
	rc = pthread_create(&g->thread, NULL, desk_thread, g);
	if (rc)
		return err_set(err, rc, "gate: start a thread");
	g->threaded = true;
	return 0;
}

int gate_set_policy(struct gate *g, struct policy *p, struct err *err)
{
	pthread_mutex_lock(&g->lock);
	policy_free(g->policy);
	g->policy = p;
	pthread_mutex_unlock(&g->lock);
	return desk_policy(g, err);
}

void gate_set_manners(struct gate *g, const struct gate_manners *m)
{
	struct wire_manners w = { .silent = m->silent, .book = m->book };

	desk_say(g, WIRE_MANNERS, &w, sizeof(w), NULL, 0, -1);
}

void gate_box_time(struct gate *g)
{
	desk_say(g, WIRE_BOX_TIME, NULL, 0, NULL, 0, -1);
}

pid_t gate_pid(const struct gate *g)
{
	return g->pid;
}

bool gate_failed(const struct gate *g)
{
	return atomic_load(&g->failed);
}

void gate_stop(struct gate *g)
{
	if (!g)
		return;
	if (g->threaded) {
		g->end_by = clock_mono_ns() + DESK_END_NS;
		atomic_store(&g->ending, true); /* before it can answer */
		desk_say(g, WIRE_END, NULL, 0, NULL, 0, -1);
		pthread_join(g->thread, NULL);
	}
	/* Not waited for: its packet sockets go when no processor can be using them, which takes
	 * longer than a box. Whoever outlives us reaps it, as any child that is left. */
	if (g->pid > 0) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, WNOHANG);
	}
	gate_free(g);
}
