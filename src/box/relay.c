// SPDX-License-Identifier: Apache-2.0
/*
 * relay.c - carry a program's input and output, so that no descriptor of the host crosses
 *
 * Theory of operation
 *
 * One thread a direction, made when there is something to carry (until then box_wait() looks: most
 * programs are short and silent), each a plain loop of read and write: a reader of ours that is
 * slow holds up the program as it would without a box, and only in the direction that it does not
 * read. A reader that is gone (EPIPE) closes the program's pipe, so that the program gets SIGPIPE.
 * Output ends by itself when the last process that could write is dead; input is told to stop by an
 * eventfd. Where our descriptor is /dev/null there is nothing to carry: the program gets the
 * box's.
 *
 * Ours may be shared with the shell that started us, so they are never made non-blocking.
 */
#include <linux/kcmp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "box/runtime.h"

#define RELAY_BYTES	  65536
#define RELAY_STACK	  (128u << 10)
#define RELAY_PATIENCE_MS 2000 /* in a hurry: for a reader of ours that does not read */

enum copy_kind { COPY_OUT, COPY_IN, COPY_LOG };

struct copy {
	enum copy_kind kind;
	int from, to; /* whichever is the program's end is owned and closed */
	int stop;     /* COPY_IN: eventfd, borrowed */
	bool pty, running;
	bool idle;     /* no thread yet: nothing has come */
	uint64_t room; /* COPY_LOG: bytes that may still be kept */
	pthread_t thread;
	char bytes[RELAY_BYTES];
};

struct relay {
	struct relay *next;
	int stop;
	int ncopies;
	struct copy *copy[3];
	int master; /* pty; closed when both directions have ended */
};

/* ---- the loop ----------------------------------------------------------------------------- */

/* The pipe's other end: a write of ours may be partial, and must not outlast the program. */
static bool put_in(struct copy *c, size_t n)
{
	size_t done = 0;

	while (done < n) {
		struct pollfd p[2] = { { .fd = c->to, .events = POLLOUT },
				       { .fd = c->stop, .events = POLLIN } };
		ssize_t k = write(c->to, c->bytes + done, n - done);

		if (k > 0)
			done += (size_t)k;
		else if (k < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		else if (poll(p, 2, -1) > 0 && p[1].revents)
			return false;
	}
	return true;
}

static bool put_log(struct copy *c, size_t n)
{
	static const char cut[] =
		"\n[belljar: what came after this was not kept: limit of the log]\n";

	if (n > c->room && c->room) {
		(void)write_full(c->to, c->bytes, (size_t)c->room);
		(void)write_full(c->to, cut, sizeof(cut) - 1);
		c->room = 0;
	}
	if (c->room) {
		c->room -= n;
		/* a full disk must not stop the program: the rest of the log is lost */
		if (write_full(c->to, c->bytes, n))
			c->room = 0;
	}
	return true;
}

static bool put(struct copy *c, size_t n)
{
	switch (c->kind) {
	case COPY_IN:
		return put_in(c, n);
	case COPY_LOG:
		return put_log(c, n);
	case COPY_OUT:
		break;
	}
	return !write_full(c->to, c->bytes, n);
}

/* Until there is something to read. False: nobody wants it any more. */
static bool readable(struct copy *c)
{
	struct pollfd p[3] = { { .fd = c->from, .events = POLLIN },
			       { .fd = c->stop, .events = POLLIN },
			       { .fd = c->to } };

	if (c->kind != COPY_IN && !c->pty)
		return true; /* a blocking read ends when the writers do */
	for (;;) {
		int rc = poll(p, c->kind == COPY_IN ? 3 : 1, -1);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			return false;
		if (c->kind == COPY_IN && (p[1].revents || (p[2].revents & (POLLERR | POLLHUP))))
			return false;
		if (p[0].revents)
			return true;
	}
}

static void *copy_main(void *arg)
{
	static const char end_of_input = 4; /* ^D, what a terminal has instead of an end */
	struct copy *c = arg;

	while (readable(c)) {
		ssize_t k = read(c->from, c->bytes, sizeof(c->bytes));

		if (k < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (k == 0 && c->kind == COPY_IN && c->pty) {
			c->bytes[0] = end_of_input;
			put(c, 1);
		}
		if (k <= 0) /* EIO: the last process has let go of the pty */
			break;
		if (!put(c, (size_t)k))
			break;
	}
	if (!c->pty) {
		if (c->kind == COPY_IN) {
			close(steal_fd(&c->to));
		} else {
			close(steal_fd(&c->from));
		}
	}
	return NULL;
}

static int copy_start(struct copy *c)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, RELAY_STACK);
	/* SIGPIPE stays pending in the thread: write() says EPIPE */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&c->thread, &attr, copy_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	c->running = !rc;
	c->idle = false;
	return -rc;
}

/* ---- making ------------------------------------------------------------------------------- */

static struct relay *relay_new(void)
{
	struct relay *r = xcalloc(1, sizeof(*r));

	r->stop = r->master = -1;
	return r;
}

static struct copy *add_copy(struct relay *r, enum copy_kind kind, int from, int to)
{
	struct copy *c = xmalloc(sizeof(*c));

	/* not the buffer: untouched pages cost nothing */
	memset(c, 0, offsetof(struct copy, bytes));
	c->kind = kind;
	c->from = from;
	c->to = to;
	c->stop = r->stop;
	r->copy[r->ncopies++] = c;
	return c;
}

static bool nothing_to_carry(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* Both names for one place: then the program gets one pipe for both, and order is kept. */
static bool same_place(int a, int b)
{
	struct stat sa, sb;

	if (fstat(a, &sa) || fstat(b, &sb) || sa.st_dev != sb.st_dev || sa.st_ino != sb.st_ino)
		return false;
	if (!S_ISREG(sa.st_mode))
		return true;
	/* two openings of one file have two offsets */
	return !syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
}

int relay_pipes(struct box_run *run UNUSED, const int ours[3], int ret_child[3], struct relay **ret,
		struct err *err)
{
	struct relay *r = relay_new();
	int child[3] = { -1, -1, -1 };
	bool shared = !nothing_to_carry(ours[1]) && !nothing_to_carry(ours[2]) &&
		      same_place(ours[1], ours[2]);

	r->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->stop < 0)
		goto fail;
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (nothing_to_carry(ours[i]))
			continue;
		if (i == 2 && shared) {
			child[2] = fcntl(child[1], F_DUPFD_CLOEXEC, 3);
			if (child[2] < 0)
				goto fail;
			continue;
		}
		if (pipe2(p, O_CLOEXEC))
			goto fail;
		child[i] = p[i ? 1 : 0];
		if (i) {
			add_copy(r, COPY_OUT, p[0], ours[i]);
		} else {
			fcntl(p[1], F_SETFL, O_WRONLY | O_NONBLOCK);
			add_copy(r, COPY_IN, ours[0], p[1]);
		}
	}
	memcpy(ret_child, child, sizeof(child));
	*ret = r;
	return 0;
fail:
	err_set(err, errno, "box: make pipes");
	for (int i = 0; i < 3; i++)
		if (child[i] >= 0)
			close(child[i]);
	relay_free(r);
	return err ? -err->code : -EMFILE;
}

int relay_log(struct box_run *run, int *ret_fd, struct err *err)
{
	cleanup_close int file = -1;
	struct relay *r;
	int p[2], rc;

	if (run->log_pipe >= 0) {
		*ret_fd = run->log_pipe;
		return 0;
	}
	file = openat(box_dirfd(run->box), "log",
		      O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return err_set(err, errno, "box: open '%s/log'", run->box->path);
	if (pipe2(p, O_CLOEXEC))
		return err_set(err, errno, "box: make pipes");
	r = relay_new();
	r->master = file; /* closed with the relay */
	add_copy(r, COPY_LOG, p[0], steal_fd(&file))->room = LOG_MAX;
	rc = relay_start(run, r, err);
	if (rc) {
		close(p[1]);
		return rc;
	}
	run->log_pipe = *ret_fd = p[1];
	return 0;
}

struct relay *relay_pty(int master, int from, int to)
{
	struct relay *r = relay_new();

	r->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->master = master;
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	add_copy(r, COPY_OUT, master, to)->pty = true;
	add_copy(r, COPY_IN, from, master)->pty = true;
	return r;
}

int relay_start(struct box_run *run, struct relay *r, struct err *err)
{
	int rc = 0;

	r->next = run->relays;
	run->relays = r;
	for (int i = 0; i < r->ncopies && !rc; i++) {
		struct copy *c = r->copy[i];

		if (c->pty || run->nidle == RELAY_IDLE_MAX)
			rc = copy_start(c);
		else
			c->idle = ++run->nidle;
	}
	return rc ? err_set(err, rc, "box: start a thread") : 0;
}

static struct copy *idle_copy(struct box_run *run, int nr)
{
	for (struct relay *r = run->relays; r; r = r->next)
		for (int i = 0; i < r->ncopies; i++)
			if (r->copy[i]->idle && !nr--)
				return r->copy[i];
	return NULL;
}

int relay_poll(struct box_run *run, struct pollfd p[RELAY_IDLE_MAX])
{
	struct copy *c;
	int n = 0;

	for (; (c = idle_copy(run, n)); n++)
		p[n] = (struct pollfd){ .fd = c->from, .events = POLLIN };
	return n;
}

int relay_look(struct box_run *run, const struct pollfd *p, int n)
{
	int rc = 0;

	/* from the last one: whoever stops being idle does not move those before it */
	while (n-- && !rc) {
		struct copy *c = idle_copy(run, n);

		if (!p[n].revents || !c)
			continue;
		run->nidle--;
		if (p[n].revents & POLLIN || c->kind == COPY_IN)
			rc = copy_start(c);
		else
			c->idle = false; /* the last writer has gone without a word */
	}
	return rc;
}

/* ---- ending ------------------------------------------------------------------------------- */

static void copy_free(struct copy *c)
{
	if (!c->pty && c->kind == COPY_IN && c->to >= 0)
		close(c->to);
	if (!c->pty && c->kind != COPY_IN && c->from >= 0)
		close(c->from);
	free(c);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->ncopies; i++)
		copy_free(r->copy[i]);
	if (r->stop >= 0)
		close(r->stop);
	if (r->master >= 0)
		close(r->master);
	free(r);
}

static bool join(struct copy *c, int ms)
{
	struct timespec end;

	if (!c->running)
		return true;
	if (ms < 0) {
		pthread_join(c->thread, NULL);
	} else {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += ms / 1000;
		end.tv_nsec += ms % 1000 * 1000000l;
		if (end.tv_nsec >= 1000000000l) {
			end.tv_sec++;
			end.tv_nsec -= 1000000000l;
		}
		if (pthread_clockjoin_np(c->thread, NULL, CLOCK_MONOTONIC, &end)) {
			pthread_detach(c->thread);
			return false;
		}
	}
	c->running = false;
	return true;
}

void relay_finish(struct box_run *run, bool hurry)
{
	static const uint64_t one = 1;

	while (run->relays) {
		struct relay *r = run->relays;
		bool all = true;

		for (int i = 0; i < r->ncopies; i++) {
			struct pollfd p = { .fd = r->copy[i]->from, .events = POLLIN };

			/* what was written last and nobody has looked at */
			if (r->copy[i]->idle && r->copy[i]->kind != COPY_IN && poll(&p, 1, 0) > 0 &&
			    p.revents & POLLIN && copy_start(r->copy[i]))
				copy_main(r->copy[i]);
		}
		run->relays = r->next;
		if (r->stop >= 0)
			(void)!write(r->stop, &one, sizeof(one));
		for (int i = 0; i < r->ncopies; i++) {
			struct copy *c = r->copy[i];

			/* input can hang in a read that another process won: never wait for it long
			 */
			all &= join(c, hurry || c->kind == COPY_IN ? RELAY_PATIENCE_MS : -1);
		}
		/* a thread that did not end still uses its relay: it goes with the process */
		if (all)
			relay_free(r);
	}
}
