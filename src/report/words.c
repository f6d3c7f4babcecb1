// SPDX-License-Identifier: Apache-2.0
/*
 * words.c - numbers, times and codes as people say them
 */
#include <signal.h>
#include <time.h>

#include "report/inner.h"

void put_number(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0 && len > 4)
			buf_puts(out, ",");
		buf_add(out, digits + i, 1);
	}
}

void put_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
	put_number(out, n);
	buf_printf(out, " %s", n == 1 ? one : many);
}

void put_duration(struct buf *out, uint64_t ns)
{
	uint64_t ms = ns / 1000000, s = (ms + 500) / 1000;

	if (ms < 1)
		buf_puts(out, "less than 1 ms");
	else if (ms < 1000)
		buf_printf(out, "%llu ms", (unsigned long long)ms);
	else if (ms < 60000)
		buf_printf(out, "%llu.%llu s", (unsigned long long)(ms / 1000),
			   (unsigned long long)(ms % 1000 / 100));
	else if (s < 3600)
		buf_printf(out, "%llu min %llu s", (unsigned long long)(s / 60),
			   (unsigned long long)(s % 60));
	else if (s < 86400)
		buf_printf(out, "%llu h %llu min", (unsigned long long)(s / 3600),
			   (unsigned long long)(s % 3600 / 60));
	else
		buf_printf(out, "%llu d %llu h", (unsigned long long)(s / 86400),
			   (unsigned long long)(s % 86400 / 3600));
}

void put_clock(struct buf *out, uint64_t ns)
{
	unsigned long long s = ns / NSEC_PER_SEC, ms = ns / 1000000 % 1000;

	if (s < 60)
		buf_printf(out, "%llu.%03llu", s, ms);
	else if (s < 3600)
		buf_printf(out, "%llu:%02llu.%03llu", s / 60, s % 60, ms);
	else
		buf_printf(out, "%llu:%02llu:%02llu.%03llu", s / 3600, s / 60 % 60, s % 60, ms);
}

void put_bytes(struct buf *out, uint64_t n)
{
	static const char *const unit[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)n / 1000;
	size_t u = 0;

	if (n < 1000) {
		put_count(out, n, "byte", "bytes");
		return;
	}
	for (; v >= 999.95 && u + 1 < ARRAY_SIZE(unit); u++)
		v /= 1000;
	buf_printf(out, "%.1f %s", v, unit[u]);
}

void put_day(struct buf *out, uint64_t wall_ns)
{
	static const char *const month[] = { "January",	  "February", "March",	  "April",
					     "May",	  "June",     "July",	  "August",
					     "September", "October",  "November", "December" };
	time_t s = (time_t)(wall_ns / NSEC_PER_SEC);
	struct tm tm;

	if (!wall_ns || !gmtime_r(&s, &tm))
		buf_puts(out, "an unknown day");
	else
		buf_printf(out, "%d %s %d, %02d:%02d:%02d UTC", tm.tm_mday, month[tm.tm_mon],
			   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void put_mode(struct buf *out, int64_t mode)
{
	buf_printf(out, "%04llo", (unsigned long long)mode & 07777);
}

static const struct {
	int signo;
	const char *word, *means;
} signals[] = {
	{ SIGHUP, "SIGHUP", "was told to hang up" },
	{ SIGINT, "SIGINT", "was interrupted" },
	{ SIGQUIT, "SIGQUIT", "was told to quit" },
	{ SIGILL, "SIGILL", "crashed (impossible instruction)" },
	{ SIGTRAP, "SIGTRAP", "stopped at a trap" },
	{ SIGABRT, "SIGABRT", "gave up (abort)" },
	{ SIGBUS, "SIGBUS", "crashed (bad memory access)" },
	{ SIGFPE, "SIGFPE", "crashed (arithmetic)" },
	{ SIGKILL, "SIGKILL", "was ended by force" },
	{ SIGUSR1, "SIGUSR1", "was ended by SIGUSR1" },
	{ SIGSEGV, "SIGSEGV", "crashed (bad memory access)" },
	{ SIGUSR2, "SIGUSR2", "was ended by SIGUSR2" },
	{ SIGPIPE, "SIGPIPE", "lost the reader of its output" },
	{ SIGALRM, "SIGALRM", "was ended by its own alarm clock" },
	{ SIGTERM, "SIGTERM", "was asked to end" },
	{ SIGCHLD, "SIGCHLD", NULL },
	{ SIGCONT, "SIGCONT", NULL },
	{ SIGSTOP, "SIGSTOP", NULL },
	{ SIGTSTP, "SIGTSTP", NULL },
	{ SIGWINCH, "SIGWINCH", NULL },
	{ SIGXCPU, "SIGXCPU", "used up its processor time" },
	{ SIGXFSZ, "SIGXFSZ", "wrote too large a file" },
	{ SIGSYS, "SIGSYS", "made a forbidden system call" },
};

const char *signal_word(int64_t signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].signo == signo)
			return signals[i].word;
	return NULL;
}

const char *signal_means(int64_t signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].signo == signo)
			return signals[i].means;
	return NULL;
}

const char *port_word(int64_t port)
{
	static const struct {
		int port;
		const char *word;
	} ports[] = {
		{ 21, "file transfer (FTP)" },
		{ 22, "remote login (SSH)" },
		{ 23, "remote login (Telnet)" },
		{ 25, "mail (SMTP)" },
		{ 53, "names (DNS)" },
		{ 67, "address assignment (DHCP)" },
		{ 80, "web (HTTP)" },
		{ 110, "mail (POP3)" },
		{ 123, "time (NTP)" },
		{ 143, "mail (IMAP)" },
		{ 389, "directory (LDAP)" },
		{ 443, "web (HTTPS)" },
		{ 445, "file shares (SMB)" },
		{ 465, "mail (SMTPS)" },
		{ 514, "logging (syslog)" },
		{ 587, "mail (submission)" },
		{ 631, "printing (IPP)" },
		{ 853, "names (DNS over TLS)" },
		{ 993, "mail (IMAPS)" },
		{ 1080, "proxy (SOCKS)" },
		{ 1433, "database (SQL Server)" },
		{ 3306, "database (MySQL)" },
		{ 3389, "remote desktop (RDP)" },
		{ 5353, "names nearby (mDNS)" },
		{ 5432, "database (PostgreSQL)" },
		{ 6379, "database (Redis)" },
		{ 8080, "web (HTTP)" },
		{ 8443, "web (HTTPS)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i].port == port)
			return ports[i].word;
	return NULL;
}

struct str base_name(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/' && i < path.n)
			return (struct str){ path.p + i, path.n - i };
	return path;
}

struct str dir_name(struct str path)
{
	for (size_t i = path.n; i > 1; i--)
		if (path.p[i - 1] == '/')
			return (struct str){ path.p, i - 1 };
	return STR("/");
}

struct str clip(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	for (int i = 0; i < 3 && max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80; i++)
		max--;
	return (struct str){ s.p, max };
}

void put_shown(struct buf *out, escape_fn *esc, struct str s, size_t max)
{
	struct str shown = clip(s, max);

	esc(out, shown);
	if (shown.n < s.n)
		buf_printf(out, "… (+%zu bytes)", s.n - shown.n);
}

void put_wrapped(struct buf *out, struct str s, int indent)
{
	size_t at = 0, col = (size_t)indent, blanks = 0;

	while (at < s.n) {
		size_t end = at, w = 0;

		while (end < s.n && s.p[end] != ' ')
			w += ((unsigned char)s.p[end++] & 0xc0) != 0x80;
		if (at && col + blanks + w > TEXT_COLUMNS && col > (size_t)indent) {
			buf_printf(out, "\n%*s", indent, "");
			col = (size_t)indent;
		} else {
			buf_printf(out, "%*s", (int)blanks, "");
			col += blanks;
		}
		buf_add(out, s.p + at, end - at);
		col += w;
		for (blanks = 0; end < s.n && s.p[end] == ' '; end++)
			blanks++;
		at = end;
	}
	buf_puts(out, "\n");
}

bool plain_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || strchr("<>&\"\\`", s.p[i]))
			return false;
	return s.n <= 200;
}
