// SPDX-License-Identifier: Apache-2.0
/*
 * plan.c - what will be done to make a box, as a list that can be read, tested and carried out
 *
 * Theory of operation
 *
 * plan_steps() writes the list down in the order of execution; nothing here touches the machine.
 * The order matters in four places: ids are mapped before the first file is made (a tmpfs refuses
 * owners without a number); sources on the host are opened before the root is changed and only
 * there; the host's tree is let go before anything is written into the box, so that no link that
 * a program left there can lead out; and /proc/sys is written before it is made read-only.
 */
#include <ctype.h>
#include <stdarg.h>
#include <sys/sysinfo.h>

#include "box/net.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ENV_MAX	     1024

static struct step *add(struct box_plan *p, enum step_kind kind, const char *path, const char *fmt,
			...) PRINTF(4, 5);

static struct step *add(struct box_plan *p, enum step_kind kind, const char *path, const char *fmt,
			...)
{
	struct step *st = &p->step[p->nsteps++];
	va_list ap;

	/* mounts, binds and the fixed steps together stay far below STEPS_MAX */
	static_assert(BOX_MOUNTS_MAX + BOX_BINDS_MAX + 64 < STEPS_MAX, "a plan fits");
	*st = (struct step){ .kind = kind, .path = path ? xstrdup(path) : NULL };
	if (!p->in_words)
		return st;
	va_start(ap, fmt);
	if (vasprintf(&st->text, fmt, ap) < 0)
		st->text = xstrdup("");
	va_end(ap);
	return st;
}

/* ---- steps -------------------------------------------------------------------------------- */

static void add_layer(struct box_plan *p, const struct box_info *info)
{
	struct step *st;

	if (p->tmpfs_layer) {
		st = add(p, STEP_LAYER_TMPFS, NULL,
			 "layer %u: a tmpfs of at most %llu bytes and %llu inodes", info->top,
			 (unsigned long long)p->limits.disk, (unsigned long long)p->limits.inodes);
		st->value = xasprintf("mode=0755,size=%llu,nr_inodes=%llu",
				      (unsigned long long)p->limits.disk,
				      (unsigned long long)p->limits.inodes);
	} else {
		add(p, STEP_LAYER_FOLDER, NULL, "layer %u: folder layers/%u of the box", info->top,
		    info->top);
	}
}

static struct step *add_overlay(struct box_plan *p, const struct box_info *info, int i)
{
	const struct box_mount *m = &p->mount[i];
	char lowers[3 * 4096 + 64];
	struct step *st;
	size_t n = 0;

	lowers[0] = 0; /* it alone: a page that is not touched costs nothing */
	if (p->in_words && info->top > 1)
		n = (size_t)snprintf(lowers, sizeof(lowers), "layers %u…1, ", info->top - 1);
	for (int k = 0; p->in_words && k < m->nlower && n < sizeof(lowers); k++)
		n += (size_t)snprintf(lowers + n, sizeof(lowers) - n, "%s%s", k ? ", " : "",
				      m->lower[k]);
	st = add(p, i ? STEP_OVERLAY : STEP_ROOT, m->at, "overlay on %s: layer %u/%s over %s%s",
		 m->at, info->top, m->sub, lowers,
		 i ? ""
		   : "; it becomes the root, the host's tree stays reachable until step 'let go'");
	st->index = i;
	return st;
}

static void add_tmpfs(struct box_plan *p, const char *at, const char *mode, uint64_t size)
{
	struct step *st = add(p, STEP_TMPFS, at, "tmpfs on %s: at most %llu bytes", at,
			      (unsigned long long)size);

	st->value = xasprintf("mode=%s,size=%llu,nr_inodes=%llu", mode, (unsigned long long)size,
			      (unsigned long long)p->limits.inodes);
}

/* Writable by box root by mode alone: a network namespace's sysctls belong to its owner. */
static const char *const proc_readonly[] = { "/proc/sys",
					     "/proc/sysrq-trigger",
					     "/proc/irq",
					     "/proc/bus",
					     "/proc/fs",
					     "/proc/1" /* the keeper: its oom_score_adj, … */ };
/* Tell about the machine or the user's other work. Not among them is /proc/kmsg: the kernel refuses
 * to open it without CAP_SYSLOG in its first user namespace, and syslog daemons take that for what
 * it is, while a file that is always empty keeps them reading. */
static const char *const proc_masked[] = { "/proc/kcore",	 "/proc/keys",
					   "/proc/key-users",	 "/proc/timer_list",
					   "/proc/sched_debug",	 "/proc/kallsyms",
					   "/proc/latency_stats" };
/* What tells the time where the box has its own: files of the box … */
static const char *const clock_own[] = { "/proc/uptime", "/proc/stat" };
/* … and what says the machine's date: the battery-backed clock */
static const char *const clock_masked[] = { "/proc/driver/rtc", "/sys/class/rtc" };

/* What the kernel gives to a user for all of their programs together, a box is part of: half of it
 * stays outside. */
static void add_shared_limits(struct box_plan *p)
{
	static const char *const names[] = { "instances", "watches" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *text = NULL;
		char name[64];
		unsigned long half;
		struct step *st;

		snprintf(name, sizeof(name), "/proc/sys/fs/inotify/max_user_%s", names[i]);
		if (read_file_at(AT_FDCWD, name, 64, &text, NULL))
			continue;
		half = strtoul(text, NULL, 10) / 2;
		snprintf(name, sizeof(name), "/proc/sys/user/max_inotify_%s", names[i]);
		st = add(p, STEP_SYSCTL, name, "%s = %lu: half of what the user has", name, half);
		st->value = xasprintf("%lu", half);
	}
}

static void add_kernel_files(struct box_plan *p, const struct box_info *info, enum box_net net)
{
	struct step *st;

	add(p, STEP_PROC, "/proc", "proc on /proc: the box's own processes");
	add(p, STEP_SYSFS, "/sys", "sysfs on /sys: read-only");
	st = add(p, STEP_SYSCTL, "/proc/sys/user/max_user_namespaces",
		 "/proc/sys/user/max_user_namespaces = 0: no namespaces within");
	st->value = xstrdup("0");
	st = add(p, STEP_SYSCTL, "/proc/sys/kernel/pid_max",
		 "/proc/sys/kernel/pid_max = %u, unless a cgroup counts", p->limits.pids + 300);
	/* numbers below 300 are not used again once they have run out */
	st->value = xasprintf("%u", p->limits.pids + 300);
	st = add(p, STEP_SYSCTL, "/proc/sys/kernel/shmall",
		 "/proc/sys/kernel/shmall = %llu pages, unless a cgroup counts",
		 (unsigned long long)(p->limits.memory / 4096));
	st->value = xasprintf("%llu", (unsigned long long)(p->limits.memory / 4096));
	add_shared_limits(p);
	if (net != BOX_NET_OFF) {
		/* both ends must be ids that the box has */
		st = add(p, STEP_SYSCTL, "/proc/sys/net/ipv4/ping_group_range",
			 "/proc/sys/net/ipv4/ping_group_range: everybody may ping");
		st->value = info->range ? xstrdup("0 65535")
					: xasprintf("%u %u", (unsigned)p->inner_uid,
						    (unsigned)p->inner_uid);
	}
	for (size_t i = 0; i < ARRAY_SIZE(proc_readonly); i++)
		add(p, STEP_READONLY, proc_readonly[i], "read-only: %s", proc_readonly[i]);
}

static void add_binds(struct box_plan *p)
{
	for (int i = 0; i < p->nbinds; i++) {
		const struct plan_bind *b = &p->bind[i];

		if (b->how == BIND_COPY)
			continue;
		add(p, b->how == BIND_RO ? STEP_BIND_RO : STEP_BIND_RW, b->dst, "%s: %s on %s",
		    b->how == BIND_RO ? "read-only view" : "writable bind", b->src, b->dst)
			->index = i;
	}
}

static void add_identity(struct box_plan *p, const struct box_info *info)
{
	static const struct {
		const char *path;
		const char *fmt;
	} files[] = {
		{ "/etc/hostname", "%s\n" },
		{ "/etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n"
				"::1\tlocalhost ip6-localhost ip6-loopback\n" },
		{ "/etc/resolv.conf", "nameserver " NET_RESOLVER "\n" },
		{ "/etc/machine-id", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct step *st =
			add(p, STEP_IDENTITY, files[i].path, "identity: %s", files[i].path);

		st->value = files[i].fmt ? xasprintf(files[i].fmt, info->hostname)
					 : xasprintf("%s\n", info->machine_id);
	}
}

/* What the box's gate answers as is signed by an authority that is trusted in here alone. */
static void add_authority(struct box_plan *p, const struct box_authority *a)
{
	if (!a)
		return;
	p->authority.pem = xstrdup(a->pem);
	p->authority.hash = xstrdup(a->hash);
	p->authority.der = xmalloc(a->der_n);
	memcpy(p->authority.der, a->der, a->der_n);
	p->authority.der_n = a->der_n;
	add(p, STEP_AUTHORITY, AUTHORITY_FILE,
	    "trusted in this box alone: its own certificate authority, %s", AUTHORITY_FILE);
}

static void add_decoys(struct box_plan *p, const struct box_info *info)
{
	static const char person[] = "/home/user";

	if (!p->want_decoys)
		return;
	p->decoy = xcalloc((size_t)decoys_count(), sizeof(*p->decoy));
	for (; p->ndecoys < decoys_count(); p->ndecoys++)
		decoy_make(info, p->ndecoys, &p->decoy[p->ndecoys]);
	add(p, STEP_DECOYS, p->home, "decoys in %s, if nothing has run in the box", p->home);
	if (info->range && strcmp(p->home, person))
		add(p, STEP_DECOYS, person, "decoys in %s, if nothing has run in the box", person);
}

static void add_ids(struct box_plan *p, const struct box_info *info)
{
	if (info->range)
		add(p, STEP_IDS, NULL, "wait for the id maps: box ids 0…65535 are host ids from %u",
		    info->range_start);
	else
		add(p, STEP_IDS, NULL,
		    "wait for the id maps: box id %u is the user, the only real one",
		    (unsigned)p->inner_uid);
}

static void add_network(struct box_plan *p, const struct box_info *info, enum box_net net)
{
	static const char *const ways[] = {
		[BOX_NET_BY_ANY] =
			"nf_tables with TPROXY: TCP and UDP that leave go to the gate at "
			"port %d, nothing passes it; without it, they are read at the "
			"interface, for libslirp",
		[BOX_NET_BY_TPROXY] =
			"nf_tables with TPROXY: TCP and UDP that leave go to the gate "
			"at port %d, nothing passes it",
		[BOX_NET_BY_SLIRP] = "what leaves is read at the interface, for libslirp, nothing "
				     "passes it",
	};

	if (net == BOX_NET_OFF) {
		add(p, STEP_LOOPBACK, NULL, "loopback up; no other network");
		return;
	}
	add(p, STEP_LOOPBACK, NULL, "loopback up");
	add(p, STEP_INTERFACE, NULL,
	    "interface " NET_INTERFACE " (%s), " NET_ADDRESS "/%d and " NET_ADDRESS6
	    "/%d, default route by " NET_GATEWAY,
	    info->mac, NET_BITS, NET_BITS6)
		->value = xstrdup(info->mac);
	add(p, STEP_REDIRECT, NULL, ways[p->net_by], NET_GATE_PORT);
}

static void plan_steps(struct box_plan *p, const struct box *box, const struct box_opts *opts)
{
	const struct box_info *info = &box->info;

	add(p, STEP_CLONE, NULL,
	    "clone pid 1 into new user and pid, then mount, net, ipc and uts namespaces; "
	    "%s",
	    p->want_cgroup ? "a cgroup with the limits where one can be had"
			   : "no cgroup: no limit was asked for");
	add(p, STEP_QUIET, NULL,
	    "close inherited descriptors, default signals, own name, "
	    "die with the supervisor");
	add_network(p, info, opts->net);
	add(p, STEP_HOSTNAME, NULL, "host name %s", info->hostname)->value =
		xstrdup(info->hostname);
	add(p, STEP_PRIVATE, NULL, "mounts are private from here on; cgroup namespace");
	add_ids(p, info);
	add_layer(p, info);
	add(p, STEP_SOURCES, NULL, "open what comes from the host");
	add_overlay(p, info, 0);
	add_kernel_files(p, info, opts->net);
	for (int i = 1; i < p->nmounts; i++)
		add_overlay(p, info, i);
	add(p, STEP_DEV, "/dev", "tmpfs on /dev: null zero full random urandom tty, own devpts");
	for (size_t i = 0; i < ARRAY_SIZE(proc_masked); i++)
		add(p, STEP_MASK, proc_masked[i], "masked: %s", proc_masked[i]);
	add_tmpfs(p, "/dev/shm", "1777", p->limits.memory / 2);
	add_tmpfs(p, "/run", "0755",
		  p->limits.disk < 8 * TMPFS_RUN_MAX ? p->limits.disk / 8 : TMPFS_RUN_MAX);
	for (size_t i = 0; opts->clock && i < ARRAY_SIZE(clock_own); i++)
		add(p, STEP_CLOCK, clock_own[i], "%s: by the box's clock", clock_own[i]);
	for (size_t i = 0; opts->clock && i < ARRAY_SIZE(clock_masked); i++)
		add(p, STEP_MASK, clock_masked[i], "masked: %s", clock_masked[i]);
	add_binds(p);
	add(p, STEP_DETACH, NULL, "let go of the host's tree");
	add_identity(p, info);
	add_authority(p, opts->authority);
	add(p, STEP_HOME, p->home, "home %s of '%s'", p->home, p->user);
	add_decoys(p, info);
	for (int i = 0; i < p->nbinds; i++)
		if (p->bind[i].how == BIND_COPY)
			add(p, STEP_COPY, p->bind[i].dst, "copy %s to %s", p->bind[i].src,
			    p->bind[i].dst)
				->index = i;
	add(p, STEP_BOUND, NULL, "capability bounding set, in the box's user namespace: %s",
	    p->as_user ? "none"
		       : "chown dac_override fowner fsetid kill setgid setuid setpcap setfcap "
			 "net_bind_service sys_chroot");
	add(p, STEP_DOMAIN, NULL, "Landlock domain: signals and abstract sockets stay inside");
	add(p, STEP_SERVE, NULL, "pid 1 reaps and waits for programs to start");
	add(p, STEP_WALLS, NULL,
	    "each program: own session, no descriptors but its three, resource limits, id %u, "
	    "capabilities, no_new_privs, then the recorder's filter, then exec",
	    (unsigned)p->uid);
}

/* ---- options ------------------------------------------------------------------------------ */

static uint64_t machine_memory(void)
{
	struct sysinfo si;

	if (sysinfo(&si))
		return 1ull << 30;
	return (uint64_t)si.totalram * si.mem_unit;
}

static int plan_limits(struct box_plan *p, const struct box_opts *opts, struct err *err)
{
	struct box_limits *l = &p->limits;
	uint64_t machine = machine_memory();

	*l = opts->limits;
	p->want_cgroup = l->memory || l->pids || l->cpus > 0;
	if (l->time < 0 || l->cpus < 0 || l->time > 1e9 || l->cpus > 1e6)
		return err_set_exit(err, EXIT_USAGE, EINVAL, "box: a limit out of range");
	if (!l->memory)
		l->memory = machine / 4 * 3;
	if (!l->pids)
		l->pids = LIMIT_PIDS_DEFAULT;
	if (l->pids > 4000000)
		l->pids = 4000000; /* kernel's own maximum */
	if (!l->disk) {
		l->disk = LIMIT_DISK_DEFAULT;
		/* a tmpfs is memory: never more than half of it unasked, as tmpfs itself does */
		if (p->tmpfs_layer && l->disk > machine / 2)
			l->disk = machine / 2;
	}
	if (!l->inodes)
		l->inodes = LIMIT_INODES_DEFAULT;
	l->memory = l->memory / 4096 * 4096;
	return 0;
}

static int plan_bind(struct box_plan *p, const struct box_bind *b, struct err *err)
{
	struct plan_bind *to = &p->bind[p->nbinds];

	if (!b->src || b->src[0] != '/' || (b->dst && b->dst[0] != '/'))
		return err_set_exit(err, EXIT_USAGE, EINVAL, "box: '%s' is no absolute path",
				    b->src && b->src[0] == '/' ? b->dst
				    : b->src		       ? b->src
							       : "");
	to->how = b->how;
	to->fd = b->how == BIND_COPY ? b->fd : -1;
	to->src = xstrdup(b->src);
	if (b->dst)
		to->dst = xstrdup(b->dst);
	else if (b->how == BIND_COPY)
		to->dst = xasprintf("%s/%s", p->home, strrchr(b->src, '/') + 1);
	else
		to->dst = xstrdup(b->src);
	p->nbinds++;
	return 0;
}

/* ---- environment -------------------------------------------------------------------------- */

static bool plain_word(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > 64)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._+-@", *s))
			return false;
	return true;
}

/* Locales that exist without being installed, or that say only the encoding. */
static bool plain_locale(const char *s)
{
	return plain_word(s) && (!strcmp(s, "C") || !strcmp(s, "POSIX") || strcasestr(s, "utf-8") ||
				 strcasestr(s, "utf8"));
}

static void env_set(struct box_plan *p, const char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;

	for (int i = 0; i < p->nenv; i++) {
		if (!strncmp(p->env[i], assignment, name)) {
			free(p->env[i]);
			p->env[i] = xstrdup(assignment);
			return;
		}
	}
	p->env[p->nenv++] = xstrdup(assignment);
	p->env[p->nenv] = NULL;
}

static void env_put(struct box_plan *p, const char *name, const char *value)
{
	cleanup_free char *s = xasprintf("%s=%s", name, value);

	env_set(p, s);
}

static int plan_env(struct box_plan *p, const struct box_opts *opts, struct err *err)
{
	static const char *const locale[] = { "LANG", "LC_ALL" };
	const char *term = getenv("TERM");

	if (opts->nenv < 0 || opts->nenv > ENV_MAX)
		return err_set_exit(err, EXIT_USAGE, E2BIG, "box: more than %d variables", ENV_MAX);
	p->env = xcalloc(ENV_MAX + 16, sizeof(*p->env));
	env_put(p, "PATH", PATH_DEFAULT);
	env_put(p, "HOME", p->home);
	env_put(p, "USER", p->user);
	env_put(p, "LOGNAME", p->user);
	env_put(p, "SHELL", "/bin/bash");
	if (term && plain_word(term))
		env_put(p, "TERM", term);
	for (size_t i = 0; i < ARRAY_SIZE(locale); i++) {
		const char *v = getenv(locale[i]);

		if (v && plain_locale(v))
			env_put(p, locale[i], v);
	}
	/* programs under test may look for these and say so: see the specimen folder */
	env_put(p, "container", "belljar");
	env_put(p, "BELLJAR", "1");
	if (opts->authority) /* Node reads no system store */
		env_put(p, "NODE_EXTRA_CA_CERTS", AUTHORITY_FILE);
	for (int i = 0; i < opts->nenv; i++) {
		const char *e = opts->env[i];

		if (!strchr(e, '=') || e[0] == '=')
			return err_set_exit(err, EXIT_USAGE, EINVAL, "box: '%s' is not NAME=VALUE",
					    e);
		env_set(p, e);
	}
	return 0;
}

/* ---- public ------------------------------------------------------------------------------- */

int box_plan_make(const struct box *box, const struct box_opts *opts, struct box_plan **ret_plan,
		  struct err *err)
{
	static const struct box_opts no_opts;
	struct box_plan *p = xmalloc(sizeof(*p));
	int rc;

	memset(p, 0, offsetof(struct box_plan, step));

	if (!opts)
		opts = &no_opts;
	p->as_user = opts->user && !strcmp(opts->user, "user");
	if (opts->user && !p->as_user && strcmp(opts->user, "root")) {
		rc = err_set_exit(err, EXIT_USAGE, EINVAL, "box: user '%s': 'root' or 'user'",
				  opts->user);
		goto fail;
	}
	p->user = p->as_user ? "user" : "root";
	p->home = p->as_user ? "/home/user" : "/root";
	p->uid = p->gid = p->as_user ? BOX_USER_ID : 0;
	p->inner_uid = box->info.range ? 0 : p->uid;
	p->emulates_root = !box->info.range && !p->as_user;
	p->tmpfs_layer = box->anon && !opts->on_disk;
	rc = plan_limits(p, opts, err);
	if (rc)
		goto fail;
	if (opts->nbinds < 0 || opts->nbinds > BOX_BINDS_MAX) {
		rc = err_set_exit(err, EXIT_USAGE, E2BIG, "box: more than %d folders and files",
				  BOX_BINDS_MAX);
		goto fail;
	}
	for (int i = 0; i < opts->nbinds; i++) {
		rc = plan_bind(p, &opts->bind[i], err);
		if (rc)
			goto fail;
	}
	rc = plan_env(p, opts, err);
	if (rc)
		goto fail;
	p->mount = xcalloc(BOX_MOUNTS_MAX, sizeof(*p->mount));
	p->nmounts = box_mounts(box, p->mount);
	if (p->nmounts < 1 || strcmp(p->mount[0].at, "/")) {
		rc = err_set(err, EINVAL, "box: the first overlay is not '/'");
		goto fail;
	}
	p->net = opts->net;
	p->net_by = opts->net_by;
	p->want_decoys = opts->decoys;
	p->in_words = opts->in_words;
	plan_steps(p, box, opts);
	*ret_plan = p;
	return 0;
fail:
	box_plan_free(p);
	return rc;
}

/* Paths come from the user and from the host: nothing in them may move the terminal's cursor. */
static void put_plain(FILE *out, const char *s)
{
	bool utf8 = utf8_valid(s, strlen(s));

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

void box_plan_print(const struct box_plan *p, FILE *out)
{
	const struct box_limits *l = &p->limits;

	for (int i = 0; i < p->nsteps; i++) {
		fprintf(out, "%3d  ", i + 1);
		put_plain(out, p->step[i].text);
		fputc('\n', out);
	}
	fprintf(out, "limits: memory %llu bytes, %u processes, disk %llu bytes, %llu inodes",
		(unsigned long long)l->memory, l->pids, (unsigned long long)l->disk,
		(unsigned long long)l->inodes);
	if (l->cpus > 0)
		fprintf(out, ", %g cpus", l->cpus);
	if (l->time > 0)
		fprintf(out, ", %g seconds", l->time);
	fputs("\nenvironment:", out);
	for (int i = 0; i < p->nenv; i++) {
		fputc(' ', out);
		put_plain(out, p->env[i]);
	}
	fputc('\n', out);
}

void box_plan_free(struct box_plan *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->nsteps; i++) {
		free(p->step[i].path);
		free(p->step[i].value);
		free(p->step[i].text);
	}
	for (int i = 0; i < p->nbinds; i++) {
		free(p->bind[i].src);
		free(p->bind[i].dst);
	}
	for (int i = 0; i < p->nenv; i++)
		free(p->env[i]);
	free(p->env);
	for (int i = 0; i < p->ndecoys; i++)
		buf_free(&p->decoy[i].bytes);
	free(p->decoy);
	free(p->authority.pem);
	free(p->authority.hash);
	free(p->authority.der);
	free(p->mount);
	free(p);
}
