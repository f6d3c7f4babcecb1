// SPDX-License-Identifier: Apache-2.0
/*
 * decode_code.c - held calls that map code from a file: libraries, plug-ins, what a loader of its
 * own brings in
 *
 * A MODULE event names the file behind the descriptor, which nothing can swap while the call is
 * held, but other threads can close and open the number again before it goes on: intent, like all.
 * The loader that the kernel maps with a program, and the program itself, are not mapped by a call;
 * the exec event has them.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "capture/recorder.h"

static void module(struct held *h, int fd)
{
	struct event ev = held_event(h, EV_MODULE);
	char name[64], sha256[SHA256_HEX] = "";
	cleanup_close int file = -1;
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", h->tid, fd);
	if (fd < 0 || stat(name, &st) || !S_ISREG(st.st_mode))
		return; /* /dev/zero: memory like any other */
	target_fd_path(h, fd, h->path);
	ev.v[EV_AT(MODULE, PATH)] = V_Z(h->path);
	if (!is_hosts_own(&st)) {
		file = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (file >= 0) {
			code_hash(h->rec, file, &st, sha256);
			code_keep(h->rec, h->proc, file, h->path);
		}
	}
	if (sha256[0])
		ev.v[EV_AT(MODULE, SHA256)] = V_Z(sha256);
	recorder_append(h->rec, &ev);
}

void decode_mmap(struct held *h)
{
	module(h, (int)h->a[4]);
}

/* i386's first mmap: one argument, a pointer to six */
void decode_old_mmap(struct held *h)
{
	uint32_t a[6];

	if (held_read(h, h->a[0], a, sizeof(a)) || !(a[2] & PROT_EXEC) || (a[3] & MAP_ANONYMOUS))
		return;
	module(h, (int)a[4]);
}
