// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_bench.c - Sigma rules over events: CPU seconds to compile, and to match
 *
 *   sigma_bench EVENTS [FOLDER]
 *
 * Rules are the *.yml below FOLDER (SigmaHQ's are not part of this repository: their licence is
 * another), or 2400 made ones in their manner. Events are in memory and of the mixture that a box
 * has, half of them by programs of Windows; the same for a number of events.
 */
#include <ftw.h>
#include <time.h>

#include "judge/sigma.h"

#define MADE_RULES 2400
#define FIRST	   4000 /* events by which all databases have been compiled */
#define PROCS	   2000

static struct sigma *rules; /* nftw() has no context */
static unsigned malformed;

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return *x;
}

/* ---- rules -------------------------------------------------------------------------------- */

static int one_file(const char *path, const struct stat *st UNUSED, int what,
		    struct FTW *ftw UNUSED)
{
	struct err err = { 0 };
	char *text;
	size_t n;

	if (what != FTW_F || !str_ends(str_z(path), ".yml") ||
	    read_file_at(AT_FDCWD, path, SIGMA_FILE_MAX, &text, &n))
		return 0;
	malformed += sigma_add(rules, path, text, n, &err) != 0;
	free(text);
	return 0;
}

static const char *const words[] = {
	"\\\\powershell",
	"curl",
	"wget",
	"-enc",
	"base64",
	"/etc/passwd",
	"certutil",
	"schtasks",
	"\\\\Temp\\\\",
	"whoami",
	"net user",
	"/tmp/",
	"chmod +x",
	"\\\\AppData\\\\Roaming",
	"rundll32",
	"vssadmin",
	"bash -i",
	".onion",
	"mimikatz",
	"python -c",
	"reg add",
	"systemctl",
	"\\\\CurrentVersion\\\\Run",
	"crontab",
	"nc -l",
	"ssh -R",
	"/dev/tcp",
	"DownloadString",
	"hidden",
	"bypass",
};

static void make_rule(size_t i, uint64_t *x)
{
	static const char *const cats[] = { "process_creation", "file_event", "network_connection",
					    "dns_query", "image_load" };
	static const char *const fields[] = { "CommandLine", "TargetFilename",
					      "DestinationHostname", "QueryName", "ImageLoaded" };
	size_t cat = i % 4 ? 0 : next(x) % 5;
	cleanup_buf struct buf b = { 0 };
	struct err err = { 0 };

	buf_printf(&b,
		   "title: made %zu\nid: made-%zu\nlevel: medium\nlogsource: {category: %s%s}\n", i,
		   i, cats[cat], i % 3 ? ", product: windows" : "");
	buf_printf(
		&b,
		"detection:\n  selection:\n    Image|endswith: ['\\tool%llu.exe', '/tool%llu']\n",
		(unsigned long long)(next(x) % 900), (unsigned long long)(next(x) % 900));
	buf_printf(&b, "  words:\n    %s|contains%s:\n", fields[cat], i % 5 ? "" : "|all");
	for (int k = 0; k < 6; k++)
		buf_printf(&b, "      - '%s%llu'\n", words[next(x) % ARRAY_SIZE(words)],
			   (unsigned long long)(next(x) % 400));
	buf_printf(&b,
		   "  expression:\n    %s|re: '(?i)(curl|wget|certutil)%llu.{0,40}[a-f0-9]{8}'\n",
		   fields[cat], (unsigned long long)(next(x) % 400));
	buf_printf(&b, "  filter: {ParentImage|startswith: 'C:\\Program Files\\v%llu'}\n",
		   (unsigned long long)(next(x) % 100));
	buf_printf(&b, "  condition: %s\n",
		   i % 9 ? "selection and words and not filter"
			 : "expression and words or selection and words");
	malformed += sigma_add(rules, "made", b.p, b.n, &err) != 0;
}

/* ---- events ------------------------------------------------------------------------------- */

struct texts {
	char a[256], b[512], c[64];
};

static void process(struct event *ev, struct texts *t, uint64_t *x, bool windows)
{
	unsigned tool = (unsigned)(next(x) % 1500);

	snprintf(t->a, sizeof(t->a),
		 windows ? "C:\\Program Files\\App%u\\tool%u.exe" : "/usr/lib/app%u/tool%u",
		 tool % 40, tool);
	snprintf(t->b, sizeof(t->b), "%s --run %s%u --config /etc/app/%llx.conf --user %u", t->a,
		 words[next(x) % ARRAY_SIZE(words)], (unsigned)(next(x) % 400),
		 (unsigned long long)next(x), tool);
	ev->kind = EV_PROCESS;
	ev->v[EV_AT(PROCESS, OP)] = V_Z("exec");
	ev->v[EV_AT(PROCESS, PID)] = V_INT(ev->proc);
	ev->v[EV_AT(PROCESS, PARENT)] = V_INT(1 + next(x) % PROCS);
	ev->v[EV_AT(PROCESS, IMAGE)] = V_Z(t->a);
	ev->v[EV_AT(PROCESS, COMMAND_LINE)] = V_Z(t->b);
	ev->v[EV_AT(PROCESS, CWD)] = V_Z("/home/user");
}

static void other(struct event *ev, struct texts *t, uint64_t *x)
{
	unsigned long long r = next(x);

	if (r % 10 < 7) {
		snprintf(t->a, sizeof(t->a), "/home/user/.cache/app%llu/%llx/entry-%llu.dat",
			 r % 40, r >> 20, r % 1000);
		ev->kind = EV_FILE;
		ev->v[EV_AT(FILE, OP)] = V_Z(r & 64 ? "create" : "unlink");
		ev->v[EV_AT(FILE, PATH)] = V_Z(t->a);
	} else {
		snprintf(t->a, sizeof(t->a), "host%llu.vendor%llu.example", r % 300, r % 70);
		ev->kind = EV_DNS;
		ev->v[EV_AT(DNS, OP)] = V_Z("answer");
		ev->v[EV_AT(DNS, NAME)] = V_Z(t->a);
		ev->v[EV_AT(DNS, TYPE)] = V_Z("A");
		ev->v[EV_AT(DNS, RCODE)] = V_Z("NOERROR");
		ev->v[EV_AT(DNS, ANSWERS)] = V_Z("192.0.2.7");
	}
}

static int count(void *ctx, const struct sigma_match *m UNUSED)
{
	++*(uint64_t *)ctx;
	return 0;
}

static uint64_t match(uint64_t events, bool windows, double *ret_first)
{
	double begin = cpu();

	struct rows *rows = rows_new();
	uint64_t x = 88172645463325252ull, matches = 0;
	struct row row;
	struct texts t;

	for (uint64_t i = 0; i < events; i++) {
		struct event ev = { .seq = i + 1, .run = 1 };

		ev.proc = 1 + (uint32_t)(next(&x) % PROCS);
		if (i < PROCS || next(&x) % 10 < 4)
			process(&ev, &t, &x, windows && ev.proc % 2);
		else
			other(&ev, &t, &x);
		if (rows_event(rows, &ev, &row))
			sigma_row(rules, &row, count, &matches);
		if (i == FIRST)
			*ret_first = cpu() - begin;
	}
	rows_free(rows);
	return matches;
}

static int one_bench(uint64_t events, const char *folder, bool windows)
{
	uint64_t x = 2463534242ull, matches;
	double begin = cpu(), read, checked, first = 0;
	size_t ready = 0;

	rules = sigma_new();
	if (folder)
		nftw(folder, one_file, 32, FTW_PHYS);
	for (size_t i = 0; !folder && i < MADE_RULES; i++)
		make_rule(i, &x);
	read = cpu();
	sigma_compile(rules);
	checked = cpu();
	for (size_t i = 0; i < sigma_count(rules); i++)
		ready += sigma_get(rules, i)->fate == SIGMA_READY;
	matches = match(events, windows, &first);
	printf("| %s, %s | %zu | %llu | %.2f | %.2f | %.2f | %.2f |\n",
	       folder ? "SigmaHQ's" : "made",
	       windows ? "half of the programs of Windows" : "programs of Linux", ready,
	       (unsigned long long)matches, read - begin, checked - read, first,
	       cpu() - checked - first);
	sigma_free(rules);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	const char *folder = argc > 2 && *argv[2] ? argv[2] : NULL;

	if (events <= FIRST) {
		fprintf(stderr, "usage: sigma_bench EVENTS [FOLDER]\n");
		return 2;
	}
	return one_bench(events, folder, false) || one_bench(events, folder, true);
}
