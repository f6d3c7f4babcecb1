// SPDX-License-Identifier: Apache-2.0
/*
 * shared.c - memory that one process writes and its children can only read
 *
 * Two mappings of one memfd. The writable one is left out of forks; the other was made after the
 * file was sealed against more writers (fcntl(2), F_SEAL_FUTURE_WRITE), so no mprotect(2) makes it
 * writable, in no process.
 */
#include <sys/mman.h>

#include "base/base.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int shared_make(size_t n, struct shared *ret, struct err *err)
{
	cleanup_close int fd = memfd_create("shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shared s = { .n = n, .rw = MAP_FAILED, .ro = MAP_FAILED };

	if (fd < 0 || ftruncate(fd, (off_t)n))
		return err_set(err, errno, "base: make shared memory");
	s.rw = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s.rw != MAP_FAILED && !madvise(s.rw, n, MADV_DONTFORK) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW))
		s.ro = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
	if (s.ro == MAP_FAILED) {
		int code = errno;

		if (s.rw != MAP_FAILED)
			munmap(s.rw, n);
		return err_set(err, code, "base: map shared memory");
	}
	*ret = s;
	return 0;
}

void shared_free(struct shared *s)
{
	if (!s->n)
		return;
	munmap(s->rw, s->n);
	munmap((void *)s->ro, s->n);
	*s = (struct shared){ 0 };
}
