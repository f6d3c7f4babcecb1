// SPDX-License-Identifier: Apache-2.0
/*
 * boot.c - the units that a boot, or a login, pulls in, in their order
 *
 * From the targets of a boot the links in *.wants and *.requires and the Wants=, Requires= of
 * targets are followed, as systemd's generators and manager would. A unit is *own* when the box
 * brought its file, a drop-in, or the link that enables it; only own units start, and what an own
 * unit wants is followed further. Order: as reached, changed by After= and Before= among those
 * that start; a cycle is cut where it closes.
 */
#include "capture/autostart/starts.h"

struct graph {
	struct as_boot *b;
	const struct as_scope *scope;
	struct as_unit unit[AS_UNITS_MAX];
	int n;
};

/* In the order of a boot. Not: rescue, emergency, shutdown, sleep and their like. */
static const char *const boot_targets[] = {
	"local-fs-pre.target",	 "local-fs.target",   "cryptsetup.target",	"swap.target",
	"sysinit.target",	 "sockets.target",    "timers.target",		"paths.target",
	"slices.target",	 "basic.target",      "network-pre.target",	"network.target",
	"network-online.target", "nss-lookup.target", "nss-user-lookup.target", "remote-fs.target",
	"time-sync.target",	 "time-set.target",   "multi-user.target",	"graphical.target",
	"default.target",
};
static const char *const user_targets[] = { "paths.target",
					    "sockets.target",
					    "timers.target",
					    "basic.target",
					    "default.target",
					    "graphical-session.target",
					    "xdg-desktop-autostart.target" };

static void reach(struct graph *g, const char *name, const char *link, const char *when, int depth);

static void reach_words(struct graph *g, const struct as_unit *u, const char *key, int depth)
{
	struct str v[64];
	int n = as_unit_vals(u, key, v, ARRAY_SIZE(v));

	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf text = { .limit = AS_TEXT_MAX };
		struct str rest, w;
		char name[300];

		as_unit_expand(g->b, g->scope, u, v[i], &text);
		rest = (struct str){ text.p, text.n };
		while ((w = as_word(&rest)).n)
			if (w.n < 256)
				reach(g, as_z(w, name, sizeof(name)), NULL, u->when, depth + 1);
	}
}

/* NAME.wants and NAME.requires in every folder of the search path */
static void reach_links(struct graph *g, const char *name, const char *when, int depth)
{
	size_t ndirs;
	const char *const *dirs = as_unit_dirs(g->scope->user, &ndirs);
	const char *home = g->scope->who ? g->scope->who->home : NULL;
	static const char *const kinds[] = { "requires", "wants", "upholds" };
	char dir[AS_PATH_MAX], path[AS_PATH_MAX];

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = 0; i < ndirs; i++) {
			bool in_home = dirs[i][0] == '~';
			struct as_names names;

			if (in_home && !home)
				continue;
			snprintf(dir, sizeof(dir), "%.2000s%s/%.255s.%s", in_home ? home : "",
				 dirs[i] + in_home, name, kinds[k]);
			as_names_of(g->b->now, dir, &names);
			for (size_t j = 0; j < names.n; j++) {
				snprintf(path, sizeof(path), "%.3000s/%.255s", dir, names.v[j]);
				reach(g, names.v[j],
				      as_differs(g->b->now, g->b->base, path) ? path : NULL, when,
				      depth + 1);
			}
			as_names_free(&names);
		}
}

static struct as_unit *known(struct graph *g, const char *name)
{
	for (int i = 0; i < g->n; i++)
		if (!strcmp(g->unit[i].name, name))
			return &g->unit[i];
	return NULL;
}

/* The service behind a timer, socket or path unit. */
static void reach_service(struct graph *g, const struct as_unit *u, const char *suffix, int depth)
{
	struct str unit = as_unit_val(u, !strcmp(suffix, ".socket") ? "Service" : "Unit");
	char name[300];

	if (!strcmp(suffix, ".socket") && (as_is_nocase(as_unit_val(u, "Accept"), "yes") ||
					   as_is_nocase(as_unit_val(u, "Accept"), "true")))
		return; /* an instance for each connection: none at boot */
	if (unit.n && unit.n < 256) {
		cleanup_buf struct buf text = { .limit = 256 };

		as_unit_expand(g->b, g->scope, u, unit, &text);
		snprintf(name, sizeof(name), "%s", buf_z(&text));
	} else {
		snprintf(name, sizeof(name), "%.*s.service",
			 (int)(strlen(u->name) - strlen(suffix)), u->name);
	}
	reach(g, name, u->place, strcmp(suffix, ".timer") ? u->when : "timer", depth + 1);
}

static void reach(struct graph *g, const char *name, const char *link, const char *when, int depth)
{
	const char *suffix = strrchr(name, '.');
	struct as_unit u, *old;
	int at;

	if (depth > AS_DEPTH_MAX || !suffix || strlen(name) > 255 || strchr(name, '/'))
		return;
	if (!as_unit_load(g->b, g->scope, name, &u)) {
		/* a target without a file still has links */
		if (!strcmp(suffix, ".target") && !known(g, name) && g->n < AS_UNITS_MAX) {
			g->unit[g->n++] = (struct as_unit){ .name = as_boot_z(g->b, str_z(name)),
							    .file = "",
							    .place = "/",
							    .when = when };
			reach_links(g, name, when, depth);
		}
		return;
	}
	if (link && !u.own) {
		u.own = true;
		u.place = as_boot_z(g->b, str_z(link));
	}
	old = known(g, u.name);
	if (old && (old->own || !u.own)) {
		free(u.keys);
		return;
	}
	if (old) { /* reached again, now by the box's own wish */
		free(old->keys);
		at = (int)(old - g->unit);
	} else if (g->n < AS_UNITS_MAX) {
		at = g->n++;
	} else {
		g->b->out->full = true;
		free(u.keys);
		return;
	}
	u.when = when;
	suffix = strrchr(u.name, '.');
	u.starts = u.own && suffix && !strcmp(suffix, ".service");
	g->unit[at] = u;
	if (!suffix || (!u.own && strcmp(suffix, ".target")))
		return;
	reach_words(g, &u, "Requires", depth);
	reach_words(g, &u, "BindsTo", depth);
	reach_words(g, &u, "Wants", depth);
	reach_words(g, &u, "Upholds", depth);
	reach_links(g, u.name, when, depth);
	if (u.own &&
	    (!strcmp(suffix, ".timer") || !strcmp(suffix, ".socket") || !strcmp(suffix, ".path")))
		reach_service(g, &u, suffix, depth);
}

/* ---- order -------------------------------------------------------------------------------- */

static bool lists(const struct graph *g, const struct as_unit *u, const char *key, const char *name)
{
	struct str v[64];
	int n = as_unit_vals(u, key, v, ARRAY_SIZE(v));

	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf text = { .limit = AS_TEXT_MAX };
		struct str rest, w;

		as_unit_expand(g->b, g->scope, u, v[i], &text);
		rest = (struct str){ text.p, text.n };
		while ((w = as_word(&rest)).n)
			if (as_is(w, name))
				return true;
	}
	return false;
}

static void emit(struct graph *g, struct as_unit *u)
{
	if (!u->starts || u->done || u->visiting)
		return;
	u->visiting = true;
	for (int i = 0; i < g->n; i++) {
		struct as_unit *v = &g->unit[i];

		if (v != u && v->starts && !v->done &&
		    (lists(g, u, "After", v->name) || lists(g, v, "Before", u->name)))
			emit(g, v);
	}
	u->done = true;
	as_unit_start(g->b, g->scope, u);
}

void as_boot_systemd(struct as_boot *b, const struct as_scope *scope)
{
	const char *const *targets = scope->user ? user_targets : boot_targets;
	size_t n = scope->user ? ARRAY_SIZE(user_targets) : ARRAY_SIZE(boot_targets);
	struct graph *g = xcalloc(1, sizeof(*g));

	g->b = b;
	g->scope = scope;
	for (size_t i = 0; i < n; i++)
		reach(g, targets[i], NULL, scope->when, 0);
	/* what boots and logs in comes before what a timer starts later */
	for (int timers = 0; timers < 2; timers++)
		for (int i = 0; i < g->n; i++)
			if ((strcmp(g->unit[i].when, "timer") ? 0 : 1) == timers)
				emit(g, &g->unit[i]);
	for (int i = 0; i < g->n; i++)
		free(g->unit[i].keys);
	free(g);
}
