// SPDX-License-Identifier: Apache-2.0
/*
 * notes.c - what the desk has to say to the gate process, and waits until its socket takes it
 *
 * The desk never blocks on the gate process, so a gate process that does not read makes notes
 * wait. An honest one asks for a bounded number of things at once (FLOWS_OPEN_MAX flows, ASKS_MAX
 * names) and reads before it asks again; one that lets more wait than that is deaf.
 */
#include <sys/socket.h>

#include "gate/desk/desk.h"

struct note {
	struct note *next;
	int fd;
	size_t n;
	uint8_t bytes[];
};

static void wake(struct gate *g)
{
	uint64_t one = 1;

	(void)!write(g->wake, &one, sizeof(one));
}

/* With the lock held. False: there is no room. */
static bool queue_note(struct gate *g, struct note *n)
{
	if (g->nnotes >= DESK_NOTES_MAX || n->n > DESK_NOTES_BYTES - g->note_bytes) {
		g->deaf = true;
		return false;
	}
	*g->notes_end = n;
	g->notes_end = &n->next;
	g->nnotes++;
	g->note_bytes += n->n;
	g->note_sockets += n->fd >= 0;
	return true;
}

/* With the lock held: the first one. */
static void unqueue_note(struct gate *g)
{
	struct note *n = g->notes;

	g->notes = n->next;
	if (!g->notes)
		g->notes_end = &g->notes;
	g->nnotes--;
	g->note_bytes -= n->n;
	g->note_sockets -= n->fd >= 0;
}

static void free_note(struct note *n)
{
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

void desk_say(struct gate *g, enum wire_type type, const void *a, size_t na, const void *b,
	      size_t nb, int fd)
{
	struct buf out = { .limit = WIRE_MAX };
	struct note *n;
	bool queued;

	wire_add(&out, type, a, na, b, nb);
	n = xmalloc(sizeof(*n) + out.n);
	n->next = NULL;
	n->fd = fd;
	n->n = out.overflow ? 0 : out.n;
	memcpy(n->bytes, out.p, n->n);
	buf_free(&out);
	pthread_mutex_lock(&g->lock);
	queued = queue_note(g, n);
	pthread_mutex_unlock(&g->lock);
	if (!queued)
		free_note(n);
	wake(g);
}

static int send_note(int sock, const struct note *n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} c = { 0 };
	struct iovec iov = { (void *)n->bytes, n->n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n->fd >= 0) {
		m.msg_control = c.bytes;
		m.msg_controllen = sizeof(c.bytes);
		c.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &n->fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void desk_drop_notes(struct gate *g)
{
	for (struct note *n; (n = g->notes);) {
		unqueue_note(g);
		free_note(n);
	}
}

bool desk_send_notes(struct gate *g)
{
	for (;;) {
		struct note *n;
		int rc;

		pthread_mutex_lock(&g->lock);
		n = g->notes;
		pthread_mutex_unlock(&g->lock);
		if (!n)
			return false;
		rc = n->n ? send_note(g->sock, n) : 0;
		if (rc == -EAGAIN || rc == -ETOOMANYREFS)
			return true;
		pthread_mutex_lock(&g->lock);
		unqueue_note(g);
		pthread_mutex_unlock(&g->lock);
		free_note(n);
	}
}

/* Return: whether @what of the notes, which others queue too, is below @max. */
static bool waits_less(struct gate *g, const size_t *what, size_t max)
{
	bool less;

	pthread_mutex_lock(&g->lock);
	less = *what < max;
	pthread_mutex_unlock(&g->lock);
	return less;
}

bool desk_socket_room(struct gate *g)
{
	if (waits_less(g, &g->note_sockets, g->sockets_max))
		return true;
	desk_send_notes(g);
	return waits_less(g, &g->note_sockets, g->sockets_max);
}

bool desk_answer_room(struct gate *g)
{
	return waits_less(g, &g->note_bytes, DESK_ANSWERS_BYTES);
}

bool desk_is_deaf(struct gate *g)
{
	bool deaf;

	pthread_mutex_lock(&g->lock);
	deaf = g->deaf;
	pthread_mutex_unlock(&g->lock);
	return deaf;
}
