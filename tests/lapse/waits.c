// SPDX-License-Identifier: Apache-2.0
/*
 * waits.c - inert: waits in each way that Linux has, and says by each clock how long that took
 *
 * waits list              the names of all ways
 * waits NAME SECONDS      "NAME" and by how many seconds each clock has gone on: read_all()
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int rang;

static void ring(int sig)
{
	(void)sig;
	rang++;
}

static struct timespec span(int s)
{
	return (struct timespec){ s, 0 };
}

static struct timespec after(clockid_t clock, int s)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += s;
	return t;
}

/* ---- the ways: 0 it ended as a time-out ---------------------------------------------------- */

static int w_nanosleep(int s)
{
	struct timespec t = span(s);

	return nanosleep(&t, NULL);
}

static int w_sleep(int s)
{
	return (int)sleep((unsigned)s);
}

static int w_raw_nanosleep(int s)
{
	long t[2] = { s, 0 };

	return (int)syscall(SYS_nanosleep, t, NULL);
}

static int w_clock_abs_mono(int s)
{
	struct timespec t = after(CLOCK_MONOTONIC, s);

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int w_clock_abs_real(int s)
{
	struct timespec t = after(CLOCK_REALTIME, s);

	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
}

static int until(clockid_t clock, int s)
{
	struct timespec t = after(clock, s);

	return clock_nanosleep(clock, TIMER_ABSTIME, &t, NULL);
}

static int w_clock_abs_boot(int s)
{
	return until(CLOCK_BOOTTIME, s);
}

static int w_clock_abs_tai(int s)
{
	return until(CLOCK_TAI, s);
}

/* By the gate that programs of 32 bits have, in code of either width: what it points to is below
 * 4 GiB. */
static long gate(long nr, long a, long b, long c, long d)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "cc");
	return r;
}

static int32_t *low_memory(void)
{
	static int32_t *at;

	if (!at)
		at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | 0x40 /* MAP_32BIT */, -1, 0);
	return at;
}

static int w_gate_nanosleep(int s)
{
	int32_t *t = low_memory();

	t[0] = s;
	t[1] = 0;
	return gate(162, (long)t, 0, 0, 0) != 0;
}

static int w_gate_nanosleep_64(int s)
{
	int32_t *t = low_memory();

	memset(t, 0, 16);
	t[0] = s;
	return gate(407, CLOCK_MONOTONIC, 0, (long)t, 0) != 0;
}

static int w_gate_poll(int s)
{
	return gate(168, 0, 0, s * 1000, 0) != 0;
}

static int w_gate_futex(int s)
{
	int32_t *t = low_memory();

	t[0] = s;
	t[1] = 0;
	t[2] = 1;
	return gate(240, (long)(t + 2), FUTEX_WAIT, 1, (long)t) != -ETIMEDOUT;
}

static int w_gate_alarm(int s)
{
	signal(SIGALRM, ring);
	gate(27, s, 0, 0, 0);
	return gate(29, 0, 0, 0, 0) != -EINTR || rang != 1;
}

static int w_poll(int s)
{
	return poll(NULL, 0, s * 1000);
}

static int w_poll_fd(int s)
{
	int p[2];
	struct pollfd f;

	if (pipe(p))
		return 1;
	f = (struct pollfd){ p[0], POLLIN, 0x7f };
	return poll(&f, 1, s * 1000) || f.revents;
}

static int w_ppoll(int s)
{
	struct timespec t = span(s);
	sigset_t none;

	sigemptyset(&none);
	return ppoll(NULL, 0, &t, &none);
}

static int w_select(int s)
{
	struct timeval t = { s, 0 };
	fd_set r;
	int p[2];

	if (pipe(p))
		return 1;
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	return select(p[0] + 1, &r, NULL, NULL, &t) || FD_ISSET(p[0], &r) || t.tv_sec;
}

static int w_pselect(int s)
{
	struct timespec t = span(s);

	return pselect(0, NULL, NULL, NULL, &t, NULL);
}

static int w_epoll(int s)
{
	struct epoll_event e;

	return epoll_wait(epoll_create1(0), &e, 1, s * 1000);
}

static int w_epoll_pwait2(int s)
{
	struct epoll_event e;
	struct timespec t = span(s);

	return epoll_pwait2(epoll_create1(0), &e, 1, &t, NULL);
}

static int w_futex(int s)
{
	long t[2] = { s, 0 };
	uint32_t word = 1;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 1, t, NULL, 0) != -1 || errno != ETIMEDOUT;
}

static int w_futex_abs(int s)
{
	struct timespec end = after(CLOCK_MONOTONIC, s);
	long t[2] = { (long)end.tv_sec, end.tv_nsec };
	uint32_t word = 1;

	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 1, t, NULL, ~0u) != -1 ||
	       errno != ETIMEDOUT;
}

static int w_futex_waitv(int s)
{
	struct timespec end = after(CLOCK_MONOTONIC, s);
	int64_t t[2] = { end.tv_sec, end.tv_nsec };
	uint32_t word = 1;
	struct {
		uint64_t val, uaddr;
		uint32_t flags, none;
	} v = { 1, (uintptr_t)&word, 2 /* FUTEX_32 */, 0 };

	return syscall(449 /* futex_waitv */, &v, 1, 0, t, CLOCK_MONOTONIC) != -1 ||
	       errno != ETIMEDOUT;
}

static pthread_mutex_t held;

static void *locker(void *p)
{
	pthread_mutex_lock(&held);
	sem_post(p);
	pause();
	return NULL;
}

static int lock_until(int protocol, int s)
{
	pthread_mutexattr_t a;
	struct timespec t;
	pthread_t who;
	sem_t has;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutex_init(&held, &a);
	sem_init(&has, 0, 0);
	pthread_create(&who, NULL, locker, &has);
	sem_wait(&has);
	t = after(CLOCK_REALTIME, s);
	return pthread_mutex_timedlock(&held, &t) != ETIMEDOUT;
}

static int w_mutex(int s)
{
	return lock_until(PTHREAD_PRIO_NONE, s);
}

static int w_mutex_pi(int s)
{
	return lock_until(PTHREAD_PRIO_INHERIT, s);
}

static int w_cond(int s)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec t = after(CLOCK_REALTIME, s);

	pthread_mutex_lock(&m);
	return pthread_cond_timedwait(&c, &m, &t) != ETIMEDOUT;
}

static int w_cond_mono(int s)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c;
	pthread_condattr_t a;
	struct timespec t = after(CLOCK_MONOTONIC, s);

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&c, &a);
	pthread_mutex_lock(&m);
	return pthread_cond_timedwait(&c, &m, &t) != ETIMEDOUT;
}

static int w_sem(int s)
{
	struct timespec t = after(CLOCK_REALTIME, s);
	sem_t m;

	sem_init(&m, 0, 0);
	return sem_timedwait(&m, &t) != -1 || errno != ETIMEDOUT;
}

static int w_semtimedop(int s)
{
	struct sembuf b = { 0, -1, 0 };
	struct timespec t = span(s);
	int id = semget(IPC_PRIVATE, 1, 0600), rc, code;

	rc = semtimedop(id, &b, 1, &t);
	code = errno;
	semctl(id, 0, IPC_RMID);
	return rc != -1 || code != EAGAIN;
}

static int w_sigtimedwait(int s)
{
	struct timespec t = span(s);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &t) != -1 || errno != EAGAIN;
}

static int w_mq(int s)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	mqd_t q = mq_open("/lapse", O_CREAT | O_RDWR, 0600, &a);
	struct timespec t = after(CLOCK_REALTIME, s);
	char b[8];

	if (q == (mqd_t)-1)
		return 1;
	mq_unlink("/lapse");
	return mq_timedreceive(q, b, sizeof(b), NULL, &t) != -1 || errno != ETIMEDOUT;
}

static int w_mq_send(int s)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	mqd_t q = mq_open("/lapse", O_CREAT | O_RDWR, 0600, &a);
	struct timespec t = after(CLOCK_REALTIME, s);

	if (q == (mqd_t)-1)
		return 1;
	mq_unlink("/lapse");
	mq_send(q, "x", 1, 0);
	return mq_timedsend(q, "x", 1, 0, &t) != -1 || errno != ETIMEDOUT;
}

static int w_aio(int s)
{
	struct io_event e;
	long t[2] = { s, 0 };
	aio_context_t ctx = 0;

	return syscall(SYS_io_setup, 1, &ctx) || syscall(SYS_io_getevents, ctx, 1L, 1L, &e, t) != 0;
}

static int w_sndtimeo(int s)
{
	struct timeval t = { s, 0 };
	static char b[4096];
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) ||
	    setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)))
		return 1;
	while (send(p[0], b, sizeof(b), MSG_DONTWAIT) > 0)
		;
	return send(p[0], b, sizeof(b), 0) != -1 || errno != EAGAIN;
}

static int w_accept(int s)
{
	struct timeval t = { s, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (listen(fd, 1) || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
		return 1;
	return accept(fd, NULL, NULL) != -1 || errno != EAGAIN;
}

static int w_rcvtimeo(int s)
{
	struct timeval t = { s, 0 };
	int p[2];
	char b;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) ||
	    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
		return 1;
	return recv(p[0], &b, 1, 0) != -1 || errno != EAGAIN;
}

static int w_timerfd(int s)
{
	struct itimerspec it = { .it_value = span(s) };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t n = 0;

	timerfd_settime(fd, 0, &it, NULL);
	return read(fd, &n, sizeof(n)) != sizeof(n) || n != 1;
}

static int w_timerfd_abs(int s)
{
	struct itimerspec it = { .it_value = after(CLOCK_REALTIME, s) };
	int fd = timerfd_create(CLOCK_REALTIME, 0);
	struct pollfd f = { fd, POLLIN, 0 };
	uint64_t n = 0;

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL);
	return poll(&f, 1, -1) != 1 || read(fd, &n, sizeof(n)) != sizeof(n) || n != 1;
}

static int w_timerfd_ticks(int s)
{
	struct itimerspec it = { span(s / 10), span(s / 10) };
	int fd = timerfd_create(CLOCK_BOOTTIME, 0);
	uint64_t n = 0;

	timerfd_settime(fd, 0, &it, NULL);
	for (int i = 0; i < 10; i++)
		if (read(fd, &n, sizeof(n)) != sizeof(n) || n != 1)
			return 1;
	return 0;
}

static int w_alarm(int s)
{
	signal(SIGALRM, ring);
	alarm((unsigned)s);
	pause();
	return rang != 1;
}

static int w_setitimer(int s)
{
	struct itimerval it = { { s / 10, 0 }, { s / 10, 0 } }, now;

	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &it, NULL);
	while (rang < 10)
		pause();
	getitimer(ITIMER_REAL, &now);
	return now.it_interval.tv_sec != s / 10 || now.it_value.tv_sec > s / 10;
}

static int w_timer_create(int s)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec it = { .it_value = span(s) };
	siginfo_t info;
	sigset_t set;
	timer_t t;

	ev.sigev_value.sival_int = 4711;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &t) || timer_settime(t, 0, &it, NULL))
		return 1;
	return sigwaitinfo(&set, &info) != SIGRTMIN || info.si_code != SI_TIMER ||
	       info.si_value.sival_int != 4711;
}

static sem_t told;

static void notice(union sigval v)
{
	(void)v;
	sem_post(&told);
}

static int w_timer_thread(int s)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = notice };
	struct itimerspec it = { .it_value = after(CLOCK_REALTIME, s) };
	timer_t t;

	sem_init(&told, 0, 0);
	if (timer_create(CLOCK_REALTIME, &ev, &t) || timer_settime(t, TIMER_ABSTIME, &it, NULL))
		return 1;
	return sem_wait(&told);
}

/* A signal breaks a sleep off: what is left is right. */
static int w_left(int s)
{
	struct itimerval it = { .it_value = { s, 0 } };
	struct timespec t = span(3 * s), left = { 0 };

	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &it, NULL);
	return nanosleep(&t, &left) != -1 || errno != EINTR || left.tv_sec < 2 * s - 2 ||
	       left.tv_sec > 2 * s;
}

static void *sleeper(void *s)
{
	sleep((unsigned)(uintptr_t)s);
	return NULL;
}

static int w_thread(int s)
{
	pthread_t t;

	pthread_create(&t, NULL, sleeper, (void *)(uintptr_t)s);
	return pthread_join(t, NULL);
}

static const struct {
	const char *name;
	int (*wait)(int s);
} ways[] = {
#define WAY(n)                                                                                     \
	{                                                                                          \
#n, w_##n                                                                          \
	}
	WAY(nanosleep),
	WAY(sleep),
	WAY(raw_nanosleep),
	WAY(clock_abs_mono),
	WAY(clock_abs_real),
	WAY(clock_abs_boot),
	WAY(clock_abs_tai),
	WAY(gate_nanosleep),
	WAY(gate_nanosleep_64),
	WAY(gate_poll),
	WAY(gate_futex),
	WAY(gate_alarm),
	WAY(poll),
	WAY(poll_fd),
	WAY(ppoll),
	WAY(select),
	WAY(pselect),
	WAY(epoll),
	WAY(epoll_pwait2),
	WAY(futex),
	WAY(futex_abs),
	WAY(futex_waitv),
	WAY(mutex),
	WAY(mutex_pi),
	WAY(cond),
	WAY(cond_mono),
	WAY(sem),
	WAY(semtimedop),
	WAY(sigtimedwait),
	WAY(mq),
	WAY(mq_send),
	WAY(aio),
	WAY(sndtimeo),
	WAY(accept),
	WAY(rcvtimeo),
	WAY(timerfd),
	WAY(timerfd_abs),
	WAY(timerfd_ticks),
	WAY(alarm),
	WAY(setitimer),
	WAY(timer_create),
	WAY(timer_thread),
	WAY(left),
	WAY(thread),
};

/* ---- the clocks ---------------------------------------------------------------------------- */

enum { CLOCKS = 13 };

static int64_t of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec;
}

static int64_t raw(clockid_t clock)
{
	long t[2];

	syscall(SYS_clock_gettime, clock, t);
	return t[0];
}

/* 32 bits: not through the vDSO's page, as syscall() would. */
static int64_t raw_time(void)
{
#ifdef __i386__
	return gate(SYS_time, 0, 0, 0, 0);
#else
	return syscall(SYS_time, NULL);
#endif
}

static int64_t gate_clock(void)
{
	int32_t *t = low_memory();

	gate(265, CLOCK_MONOTONIC, (long)t, 0, 0);
	return t[0];
}

static void read_all(int64_t out[CLOCKS])
{
	struct timeval day;
	struct sysinfo info;
	struct timex timex = { 0 };
	struct tms tms;

	adjtimex(&timex);
	gettimeofday(&day, NULL);
	sysinfo(&info);
	out[0] = of(CLOCK_MONOTONIC);
	out[1] = of(CLOCK_REALTIME);
	out[2] = day.tv_sec;
	out[3] = time(NULL);
	out[4] = of(CLOCK_BOOTTIME);
	out[5] = raw(CLOCK_MONOTONIC);
	out[6] = raw(CLOCK_REALTIME);
	out[7] = raw_time();
	out[8] = info.uptime;
	out[9] = (int64_t)times(&tms) / sysconf(_SC_CLK_TCK);
	out[10] = timex.time.tv_sec;
	out[11] = gate(13 /* time */, 0, 0, 0, 0);
	out[12] = gate_clock();
}

int main(int argc, char **argv)
{
	int64_t before[CLOCKS], now[CLOCKS];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int s = argc > 2 ? atoi(argv[2]) : 0, rc;

		if (argc < 3) {
			puts(ways[i].name);
			continue;
		}
		if (strcmp(argv[1], ways[i].name) != 0)
			continue;
		read_all(before);
		rc = ways[i].wait(s);
		read_all(now);
		printf("%s", argv[1]);
		for (int k = 0; k < CLOCKS; k++)
			printf(" %lld", (long long)(now[k] - before[k]));
		puts(rc ? " WRONG" : "");
		return rc != 0;
	}
	return argc < 3 ? 0 : 2;
}
