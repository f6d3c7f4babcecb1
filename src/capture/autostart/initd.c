// SPDX-License-Identifier: Apache-2.0
/*
 * initd.c - what a boot runs beside units: generators, tmpfiles.d, init scripts, rc.local
 */
#include <ctype.h>
#include <sys/stat.h>

#include "capture/autostart/starts.h"

/* ---- before the units --------------------------------------------------------------------- */

/* Programs of the box's own in the folders of generators: as systemd.generator(7) runs them. */
static void generators(struct as_boot *b)
{
	static const char *const dirs[] = { "/run/systemd/system-generators",
					    "/etc/systemd/system-generators",
					    "/usr/local/lib/systemd/system-generators",
					    "/usr/lib/systemd/system-generators" };
	static const char *const out[] = { "/run/systemd/generator", "/run/systemd/generator.early",
					   "/run/systemd/generator.late" };
	char path[AS_PATH_MAX];

	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		struct as_names names;

		as_names_of(b->now, dirs[d], &names);
		for (size_t i = 0; i < names.n; i++) {
			struct as_start *s;

			snprintf(path, sizeof(path), "%s/%s", dirs[d], names.v[i]);
			if (!as_is_program(b->now, path, NULL) ||
			    !as_differs(b->now, b->base, path))
				continue;
			s = as_boot_add(b, AS_C_SYSTEMD_HELPER, path, names.v[i], "boot");
			if (!s)
				continue;
			s->user = "root";
			s->cwd = "/";
			s->wait = true;
			as_start_arg(b, s, str_z(path));
			for (size_t k = 0; k < ARRAY_SIZE(out); k++)
				as_start_arg(b, s, str_z(out[k]));
			as_start_end(b, s);
		}
		as_names_free(&names);
	}
}

/* Files of tmpfiles.d(5): folders of /run that services need, and whatever else they ask for. */
static void tmpfiles(struct as_boot *b)
{
	static const char *const dirs[] = { "/etc/tmpfiles.d", "/usr/local/lib/tmpfiles.d",
					    "/usr/lib/tmpfiles.d" };
	char path[AS_PATH_MAX], over[AS_PATH_MAX], program[AS_PATH_MAX];
	struct as_stat st;

	if (!as_lookup(b->now, STR("systemd-tmpfiles"), program))
		return;
	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		struct as_names names;

		as_names_of(b->now, dirs[d], &names);
		for (size_t i = 0; i < names.n; i++) {
			bool hidden = false;
			struct as_start *s;

			snprintf(path, sizeof(path), "%s/%s", dirs[d], names.v[i]);
			for (size_t k = 0; k < d; k++) { /* the same name in a folder before */
				snprintf(over, sizeof(over), "%s/%s", dirs[k], names.v[i]);
				hidden |= !b->now->lstat(b->now->ctx, over, &st);
			}
			if (hidden || !str_ends(str_z(path), ".conf") ||
			    as_stat(b->now, path, &st, NULL) || !S_ISREG(st.mode) ||
			    !as_differs(b->now, b->base, path))
				continue;
			s = as_boot_add(b, AS_C_SYSTEMD_HELPER, path, names.v[i], "boot");
			if (!s)
				continue;
			s->user = "root";
			s->cwd = "/";
			s->wait = true;
			as_start_arg(b, s, str_z(program));
			as_start_arg(b, s, STR("--create"));
			as_start_arg(b, s, STR("--boot"));
			as_start_arg(b, s, str_z(path));
			as_start_end(b, s);
		}
		as_names_free(&names);
	}
}

void as_boot_early(struct as_boot *b)
{
	generators(b);
	tmpfiles(b);
}

/* ---- init.d ------------------------------------------------------------------------------- */

/*
 * Whether a unit stands for the script, which then is left alone. One that only runs true(1) does
 * not: it is there for others to hang on (postgresql.service), which a generator would name.
 */
static bool has_unit(struct as_boot *b, const char *script)
{
	const struct as_scope system = { .when = "boot" };
	struct as_unit u;
	struct str does;
	char name[300], path[AS_PATH_MAX];
	size_t n = strlen(script);

	if (n > 3 && !strcmp(script + n - 3, ".sh"))
		n -= 3;
	snprintf(name, sizeof(name), "%.*s.service", (int)(n > 240 ? 240 : n), script);
	if (!as_unit_file(b->now, name, NULL, false, path))
		return false;
	if (!as_unit_load(b, &system, name, &u))
		return true; /* masked */
	does = as_unit_val(&u, "ExecStart");
	free(u.keys);
	return !as_is(does, "/bin/true") && !as_is(does, "/usr/bin/true");
}

static void start_script(struct as_boot *b, enum as_class_id class, const char *place,
			 const char *script, const char *arg)
{
	const char *name = strrchr(place, '/') + 1;
	struct as_start *s = as_boot_add(b, class, place, name, "boot");

	if (!s)
		return;
	s->user = "root";
	s->cwd = "/";
	s->wait = true;
	as_start_arg(b, s, str_z(script));
	as_start_arg(b, s, str_z(arg));
	as_start_end(b, s);
}

void as_boot_initd(struct as_boot *b)
{
	static const char *const runlevels[] = { "/etc/rcS.d", "/etc/rc2.d", "/etc/rc3.d",
						 "/etc/rc5.d" };
	char link[AS_PATH_MAX], real[AS_PATH_MAX];
	size_t before = b->out->n;

	for (size_t r = 0; r < ARRAY_SIZE(runlevels); r++) {
		struct as_names names;

		as_names_of(b->now, runlevels[r],
			    &names); /* S01a, S02b: byte order is their order */
		for (size_t i = 0; i < names.n; i++) {
			bool again = false;
			const char *script;

			if (names.v[i][0] != 'S' || !isdigit((unsigned char)names.v[i][1]))
				continue;
			snprintf(link, sizeof(link), "%s/%s", runlevels[r], names.v[i]);
			if (!as_is_program(b->now, link, real))
				continue;
			script = strrchr(real, '/') + 1;
			if ((!as_differs(b->now, b->base, link) &&
			     !as_differs(b->now, b->base, real)) ||
			    has_unit(b, script))
				continue;
			for (size_t k = before; k < b->out->n; k++)
				again |= as_is(b->out->v[k].argv[0], real);
			if (!again)
				start_script(b, AS_C_INITD, link, real, "start");
		}
		as_names_free(&names);
	}
	if (as_is_program(b->now, "/etc/rc.local", real) &&
	    (as_differs(b->now, b->base, "/etc/rc.local") || as_differs(b->now, b->base, real)))
		start_script(b, AS_C_RC_LOCAL, "/etc/rc.local", real, "start");
}
