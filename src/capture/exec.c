// SPDX-License-Identifier: Apache-2.0
/*
 * exec.c - what a process has become: image, arguments, environment, script, hashes
 *
 * Read while the process stands at its exec stop, after the kernel has taken the new image: this
 * is truth, not intent. The executable is read through /proc/PID/exe, which still leads to it when
 * its name is gone (deleted binaries, memfds); those are kept in the object store at once, as no
 * later look could find them.
 */
#include <sys/auxv.h>
#include <sys/stat.h>

#include "capture/recorder.h"

static int open_of(pid_t tid, const char *what, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", tid, what);
	return open(name, flags | O_CLOEXEC);
}

static void link_of(pid_t tid, const char *what, char out[4096])
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/%s", tid, what);
	n = readlink(name, out, 4095);
	out[n < 0 ? 0 : n] = 0;
}

#define ARGUMENTS_MAX (8u << 20) /* the kernel takes 6 MiB, environment included: execve(2) */
#define QUOTED_MOST   5		 /* characters that a byte becomes, about */

/* A whole /proc file into @b. */
static void slurp(pid_t tid, const char *what, struct buf *b)
{
	cleanup_close int fd = open_of(tid, what, O_RDONLY);
	char block[16384];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0 && !b->overflow)
		buf_add(b, block, (size_t)n);
}

/* NUL-separated arguments as one shell-quoted line: reversible, readable. */
static void quote_line(const struct buf *args, struct buf *out)
{
	for (size_t i = 0; i < args->n;) {
		size_t n = strnlen(args->p + i, args->n - i);

		if (out->n)
			buf_puts(out, " ");
		buf_quote(out, args->p + i, n);
		i += n + 1;
	}
}

/* The name that was given to execve: for a script that is the script (AT_EXECFN, getauxval(3)). */
static bool exec_name(pid_t tid, char *out, size_t size)
{
	cleanup_close int fd = open_of(tid, "auxv", O_RDONLY);
	uint64_t aux[128];
	ssize_t n = fd < 0 ? -1 : read(fd, aux, sizeof(aux));

	for (ssize_t i = 0; i + 1 < n / 8; i += 2)
		if (aux[i] == AT_EXECFN)
			return target_string(tid, aux[i + 1], out, size) > 0;
	return false;
}

/* A function of its own, for a held call is large. */
static __attribute__((noinline)) void fd_path(struct recorder *rec, pid_t tid, int fd,
					      char path[PATH_TEXT_MAX])
{
	struct held h = { .rec = rec, .tid = tid, .tgid = tid };

	target_fd_path(&h, fd, path);
}

/* If the process is an interpreter that was started for a script: the script, opened, and its
 * path in @path. */
static int open_script(struct recorder *rec, const struct proc *p, const struct stat *image,
		       const char *image_path, char path[PATH_TEXT_MAX])
{
	cleanup_close int fd = -1;
	char mark[2], given[4097];
	struct stat st;
	size_t n;

	if (!exec_name(p->tgid, given, sizeof(given)) || !strcmp(given, image_path))
		return -1;
	path[0] = 0;
	if (given[0] != '/') {
		link_of(p->tgid, "cwd", path);
		n = strlen(path);
		snprintf(path + n, PATH_TEXT_MAX - n, "/%s", given);
	} else if (!strncmp(given, "/dev/fd/", 8)) {
		fd_path(rec, p->tgid, atoi(given + 8), path);
	} else {
		strcpy(path, given);
	}
	tidy_path(path);
	fd = open_in_box(rec, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (st.st_dev == image->st_dev && st.st_ino == image->st_ino))
		return -1;
	if (pread(fd, mark, 2, 0) != 2 || mark[0] != '#' || mark[1] != '!')
		return -1;
	return steal_fd(&fd);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

void code_keep(struct recorder *rec, uint32_t proc, int fd, const char *path)
{
	struct event ev = { .kind = EV_OBJECT, .proc = proc };
	char sha256[SHA256_HEX];
	uint64_t size = 0;
	bool kept = false;

	if (strncmp(path, "/memfd:", 7) && !ends_with(path, " (deleted)"))
		return;
	if (object_keep(box_dirfd(rec->box), fd, NULL, sha256, &size, &kept, NULL))
		return;
	ev.v[EV_AT(OBJECT, SHA256)] = V_Z(sha256);
	ev.v[EV_AT(OBJECT, SIZE)] = V_INT(size);
	ev.v[EV_AT(OBJECT, PATH)] = V_Z(path);
	ev.v[EV_AT(OBJECT, KEPT)] = V_INT(kept);
	recorder_append(rec, &ev);
}

void exec_record(struct recorder *rec, const struct proc *p, const char *cause)
{
	struct event ev = { .kind = EV_PROCESS, .proc = p->key };
	/* whole, so that what an event cannot hold is counted where it is cut: append.c */
	cleanup_buf struct buf args = { .limit = ARGUMENTS_MAX };
	cleanup_buf struct buf line = { .limit = QUOTED_MOST * ARGUMENTS_MAX };
	cleanup_buf struct buf env = { .limit = ARGUMENTS_MAX };
	cleanup_close int fd = open_of(p->tgid, "exe", O_RDONLY);
	cleanup_close int script = -1;
	char image[4096], cwd[4096], sha256[SHA256_HEX] = "", script_sha256[SHA256_HEX] = "";
	char env_sha256[SHA256_HEX], script_path[PATH_TEXT_MAX];
	uint8_t sum[SHA256_LEN];
	struct stat st = { 0 }, sst;

	link_of(p->tgid, "exe", image);
	link_of(p->tgid, "cwd", cwd);
	slurp(p->tgid, "cmdline", &args);
	quote_line(&args, &line);
	slurp(p->tgid, "environ", &env);
	sha256_once(env.p ? env.p : "", env.n, sum);
	hex_encode(sum, sizeof(sum), env_sha256);
	if (fd >= 0 && !fstat(fd, &st)) {
		code_hash(rec, fd, &st, sha256);
		script = open_script(rec, p, &st, image, script_path);
		code_keep(rec, p->key, fd, image);
	}
	if (script >= 0 && !fstat(script, &sst))
		code_hash(rec, script, &sst, script_sha256);
	ev.v[EV_AT(PROCESS, OP)] = V_Z("exec");
	ev.v[EV_AT(PROCESS, PID)] = V_INT(p->inner);
	ev.v[EV_AT(PROCESS, IMAGE)] = V_Z(image);
	ev.v[EV_AT(PROCESS, COMMAND_LINE)] = V_STR(((struct str){ line.p ? line.p : "", line.n }));
	ev.v[EV_AT(PROCESS, CWD)] = V_Z(cwd);
	ev.v[EV_AT(PROCESS, ENV_SHA256)] = V_Z(env_sha256);
	if (sha256[0])
		ev.v[EV_AT(PROCESS, SHA256)] = V_Z(sha256);
	if (script >= 0) {
		ev.v[EV_AT(PROCESS, SCRIPT)] = V_Z(script_path);
		ev.v[EV_AT(PROCESS, SCRIPT_SHA256)] = V_Z(script_sha256);
	}
	ev.v[EV_AT(PROCESS, UID)] = V_INT(rec->emulate ? p->creds.uid[1] : user_of(rec, p->tgid));
	ev.v[EV_AT(PROCESS, CAUSE)] = V_Z(cause);
	recorder_append(rec, &ev);
}
