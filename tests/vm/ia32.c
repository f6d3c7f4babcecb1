// SPDX-License-Identifier: Apache-2.0
/*
 * ia32.c - a 32-bit program, for tests/vm/suites/ia32.sh: does what the record must show
 *
 *   ia32 80 | vdso        all acts, by `int $0x80` or by the vDSO's entry (sysenter or syscall)
 *   ia32 race             asks for sockets while another process swaps what is asked for
 *   ia32 touch            what an act becomes when it executes this program again
 *
 * Freestanding (-m32 -nostdlib): it needs no 32-bit libraries, neither where it is built nor where
 * it runs. Numbers are those of arch/x86/entry/syscalls/syscall_32.tbl. Works only under glass:
 * with BELLJAR=1, no_new_privs and a seccomp filter.
 */
typedef unsigned int u32;

#define O_WRONLY      1
#define O_CREAT	      0100
#define AT_SYSINFO    32
#define AF_UNIX	      1
#define AF_INET	      2
#define AF_PACKET     17
#define AF_VSOCK      40
#define CLONE_NEWUSER 0x10000000
#define SIGCHLD	      17

static u32 sysinfo;

static int by_int80(u32 nr, u32 a, u32 b, u32 c, u32 d, u32 e)
{
	int r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return r;
}

static int by_vdso(u32 nr, u32 a, u32 b, u32 c, u32 d, u32 e)
{
	int r;

	__asm__ volatile("call *%[at]"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [at] "m"(sysinfo)
			 : "memory");
	return r;
}

static int (*sys)(u32, u32, u32, u32, u32, u32) = by_int80;
#define P(p)			     ((u32)(unsigned long)(p))
#define CALL(nr, a, b, c, d, e, ...) sys((nr), P(a), P(b), P(c), P(d), P(e))
#define C(...)			     CALL(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static u32 length(const char *s)
{
	u32 n = 0;

	while (s[n])
		n++;
	return n;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void put(const char *s)
{
	C(4, 1, s, length(s));
}

static void put_number(int n)
{
	char text[12], *p = text + 11;
	u32 u = n < 0 ? -(u32)n : (u32)n;

	*p = 0;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		*--p = '-';
	put(p);
}

static void said(const char *what, int rc)
{
	put(what);
	put(" ");
	put_number(rc);
	put("\n");
}

/* ---- acts --------------------------------------------------------------------------------- */

struct in_address {
	unsigned short family;
	unsigned char port[2], ip[4], zero[8];
};

static void files(const char *self)
{
	int fd;

	said("mkdir", C(39, "d", 0755));
	fd = C(5, "d/open", O_WRONLY | O_CREAT, 0640);
	said("open", fd < 0 ? fd : 0);
	C(4, fd, "text\n", 5);
	C(6, fd);
	fd = C(295, -100, "d/openat", O_WRONLY | O_CREAT, 0600);
	said("openat", fd < 0 ? fd : 0);
	said("link", C(9, "d/open", "d/link"));
	said("symlink", C(83, "elsewhere", "d/symlink"));
	said("rename", C(38, "d/openat", "d/renamed"));
	said("unlink", C(10, "d/link"));
	said("chmod", C(15, "d/open", 0751));
	said("truncate64", C(193, "d/open", 3, 0));
	said("chown32", C(212, "d/renamed", 33, 34));
	said("chown16", C(182, "d/open", 35, 0xffff));
	said("setxattr", C(226, "d/open", "user.ia32", "x", 1, 0));
	fd = C(356, "ia32-memory", 0);
	said("memfd_create", fd < 0 ? fd : 0);
	(void)self;
}

/* Three children: one that a signal ends, one with a status, one that becomes this program again.
 */
static void processes(const char *self, char **env)
{
	char *argv[] = { "ia32-again", "touch", 0 };
	int pid, status = 0;

	pid = C(2);
	if (!pid)
		for (;;)
			C(29); /* pause */
	C(37, pid, 10);	       /* SIGUSR1: it dies of it */
	C(7, pid, &status, 0);
	said("kill", status);
	pid = C(120, SIGCHLD, 0, 0, 0, 0); /* clone */
	if (!pid)
		C(252, 41);
	C(7, pid, &status, 0);
	said("clone", status >> 8);
	pid = C(2);
	if (!pid) {
		C(11, self, argv, env);
		C(252, 99);
	}
	C(7, pid, &status, 0);
	said("execve", status >> 8);
}

static int socketcall(u32 nr, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	u32 args[6] = { a, b, c, d, e, f };

	return C(102, nr, args);
}

static void sockets(void)
{
	struct in_address in = { AF_INET, { 0x10, 0xe1 }, { 203, 0, 113, 9 }, { 0 } }; /* 4321 */
	struct {
		u32 name, namelen, iov, iovlen, control, controllen, flags;
	} msg = { P(&in), sizeof(in), 0, 0, 0, 0, 0 };
	struct {
		unsigned short family;
		char path[20];
	} un = { AF_UNIX, "ia32-socket" };
	int tcp = socketcall(1, AF_INET, 1, 0, 0, 0, 0);
	int udp = C(359, AF_INET, 2, 0);
	int local = socketcall(1, AF_UNIX, 1, 0, 0, 0, 0);

	said("socketcall-socket", tcp < 0 ? tcp : 0);
	said("socket", udp < 0 ? udp : 0);
	socketcall(3, (u32)tcp, P(&in), sizeof(in), 0, 0, 0);
	in.port[1]++; /* 4322 */
	C(362, tcp, &in, sizeof(in));
	in.port[1]++;
	socketcall(11, (u32)udp, P("x"), 1, 0, P(&in), sizeof(in));
	in.port[1]++;
	socketcall(16, (u32)udp, P(&msg), 0, 0, 0, 0);
	in.port[1]++; /* 4325 */
	C(370, udp, &msg, 0);
	said("socketcall-bind", socketcall(2, (u32)local, P(&un), 14, 0, 0, 0));
	said("socketcall-vsock", socketcall(1, AF_VSOCK, 1, 0, 0, 0, 0));
	said("socketcall-packet", socketcall(1, AF_PACKET, 2, 0, 0, 0, 0));
	said("socketcall-raw", socketcall(1, AF_INET, 3, 1, 0, 0, 0));
	said("vsock", C(359, AF_VSOCK, 1, 0));
}

static const struct {
	const char *name;
	u32 nr, a, b, c, d, e;
} walls[] = {
	{ "umount", 22, 1 },
	{ "unshare", 310, CLONE_NEWUSER },
	{ "setns", 346, 0, 0 },
	{ "clone-newuser", 120, CLONE_NEWUSER | SIGCHLD },
	{ "pivot_root", 217, 1, 1 },
	{ "init_module", 128 },
	{ "kexec_load", 283 },
	{ "bpf", 357 },
	{ "perf_event_open", 336 },
	{ "userfaultfd", 374 },
	{ "add_key", 286 },
	{ "keyctl", 288 },
	{ "io_uring_setup", 425 },
	{ "tiocsti", 54, 0, 0x5412 },
	{ "settimeofday", 79 },
	{ "stime", 25 },
	{ "clock_settime64", 404 },
	{ "sethostname", 74 },
	{ "ioperm", 101, 0, 1, 1 },
	{ "iopl", 110, 3 },
	{ "syslog", 103, 2 },
	{ "swapon", 87, 1 },
	{ "reboot", 88 },
	{ "acct", 51, 1 },
	{ "quotactl", 131 },
	{ "open_by_handle_at", 342, 0, 0, 0 },
	{ "fsopen", 430, 1 },
	{ "mount_setattr", 442 },
};

static void reach_for_walls(void)
{
	u32 timex[64] = { 1 /* ADJ_OFFSET */ };

	said("mount", C(21, "none", "/mnt", "tmpfs", 0, 0));
	said("ptrace", C(26, 16 /* ATTACH */, C(64) /* parent */, 0, 0));
	said("clock_adjtime64", C(405, 0, timex));
	for (u32 i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
		int rc = sys(walls[i].nr, walls[i].a, walls[i].b, walls[i].c, walls[i].d,
			     walls[i].e);

		if (!rc && walls[i].nr == 120)
			C(252, 0);
		said(walls[i].name, rc);
	}
}

/* ---- the race ----------------------------------------------------------------------------- */

#define ROUNDS 3000

/* socketcall(2) has its arguments in memory: what was looked at must be what is carried out. */
static void race(void)
{
	volatile u32 *args = (u32 *)(unsigned long)C(192, 0, 4096, 3, 0x21 /* SHARED, ANON */, -1);
	int pid, got = 0, foreign = 0, refused = 0;

	args[0] = AF_UNIX;
	args[1] = 1;
	pid = C(2);
	if (!pid)
		for (;;) {
			args[0] = AF_VSOCK;
			for (volatile int i = 0; i < 50; i++)
				;
			args[0] = AF_UNIX;
			for (volatile int i = 0; i < 50; i++)
				;
		}
	for (int i = 0; i < ROUNDS; i++) {
		int domain = 0, n = 4, fd = C(102, 1, args);

		if (fd < 0) {
			refused++;
			continue;
		}
		got++;
		socketcall(15, (u32)fd, 1, 39 /* SO_DOMAIN */, P(&domain), P(&n), 0);
		foreign += domain != AF_UNIX;
		C(6, fd);
	}
	C(37, pid, 9);
	said("race-got", got);
	said("race-refused", refused);
	said("race-foreign", foreign);
}

/* ---- start -------------------------------------------------------------------------------- */

static int under_glass(char **env)
{
	for (; *env; env++)
		if (same(*env, "BELLJAR=1"))
			return C(172, 39 /* GET_NO_NEW_PRIVS */) == 1 &&
			       C(172, 21 /* GET_SECCOMP */) == 2;
	return 0;
}

__attribute__((used)) void start(u32 *stack)
{
	u32 argc = stack[0], *aux;
	char **argv = (char **)(unsigned long)(stack + 1), **env = argv + argc + 1;

	for (aux = (u32 *)(unsigned long)env; *aux; aux++)
		;
	for (aux++; *aux; aux += 2)
		if (*aux == AT_SYSINFO)
			sysinfo = aux[1];
	if (argc < 2 || !under_glass(env))
		C(252, 64);
	if (same(argv[1], "vdso")) {
		if (!sysinfo)
			C(252, 77);
		sys = by_vdso;
	}
	if (same(argv[1], "touch")) {
		said("again", C(5, "d/again", O_WRONLY | O_CREAT, 0644) < 0);
		C(252, 5);
	} else if (same(argv[1], "race")) {
		race();
	} else {
		files(argv[0]);
		processes(argv[0], env);
		sockets();
		reach_for_walls();
	}
	C(252, 0);
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tand $-16, %esp\n\tsub $12, %esp\n\tpush %eax\n\tcall start\n\thlt\n");
