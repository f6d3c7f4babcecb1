// SPDX-License-Identifier: Apache-2.0
/*
 * starts.h - what the files share that tell what a boot would start
 */
#ifndef BELLJAR_CAPTURE_AUTOSTART_STARTS_H
#define BELLJAR_CAPTURE_AUTOSTART_STARTS_H

#include "capture/autostart/autostart.h"

#define AS_USERS_MAX 64	 /* users whose logins are looked at */
#define AS_UNITS_MAX 512 /* units that a boot reaches */
#define AS_ENV_MAX   128 /* variables of one service */

struct as_user {
	const char *name, *home, *shell;
	uint32_t uid;
	bool login; /* root, or an ordinary user with a shell */
};

/** struct as_boot - one look at what starts; all strings live in out->mem */
struct as_boot {
	const struct as_fs *now, *base;
	struct as_starts *out;
	struct as_user user[AS_USERS_MAX];
	int nusers;
};

struct str as_boot_keep(struct as_boot *b, struct str s);
const char *as_boot_z(struct as_boot *b, struct str s);
const struct as_user *as_boot_user(const struct as_boot *b, const char *name);
/** as_boot_add() - a new start without arguments; NULL at the limit */
struct as_start *as_boot_add(struct as_boot *b, enum as_class_id class, const char *place,
			     const char *name, const char *when);
/** as_start_arg() - append an argument; dropped with .full at AS_ARGV_MAX */
void as_start_arg(struct as_boot *b, struct as_start *s, struct str arg);
/** as_start_env() - put `env NAME=VALUE…` before what is appended later; call first */
void as_start_env(struct as_boot *b, struct as_start *s, const struct str *env, int nenv);
/** as_start_end() - done; one without arguments is taken back */
void as_start_end(struct as_boot *b, struct as_start *s);
/** as_env_set() - set or replace NAME=VALUE in a list of at most AS_ENV_MAX */
void as_env_set(struct as_boot *b, struct str *env, int *nenv, struct str name, struct str val);
/** as_names() - names of a directory in byte order; free with as_names_free() */
struct as_names {
	char **v;
	size_t n;
};
void as_names_of(const struct as_fs *fs, const char *dir, struct as_names *ret);
void as_names_free(struct as_names *names);

/* ---- systemd ------------------------------------------------------------------------------ */

struct as_scope {
	bool user; /* a user's own systemd */
	const struct as_user *who;
	const char *when;
};

/** struct as_unit - a unit with its drop-ins read */
struct as_unit {
	const char *name;  /* x.service, x@inst.service; aliases resolved */
	const char *file;  /* fragment */
	const char *place; /* what makes it the box's own: fragment, drop-in or link */
	const char *when;
	bool own, starts, visiting, done;
	struct as_key {
		struct str key, val;
	} * keys;
	int nkeys;
};

/** as_unit_load() - read fragment and drop-ins; false when there is none, or it is masked */
bool as_unit_load(struct as_boot *b, const struct as_scope *scope, const char *name,
		  struct as_unit *ret);
/** as_unit_vals() - values of a key, oldest first; an empty assignment forgets those before */
int as_unit_vals(const struct as_unit *u, const char *key, struct str *ret, int room);
struct str as_unit_val(const struct as_unit *u, const char *key);
/** as_unit_expand() - replace specifiers (%i, %n, …; systemd.unit(5)) */
void as_unit_expand(const struct as_boot *b, const struct as_scope *scope, const struct as_unit *u,
		    struct str s, struct buf *out);
/** as_unit_words() - split as systemd.syntax(7) says; words are kept. Return: how many */
int as_unit_words(struct as_boot *b, struct str s, struct str *ret, int room);
/** as_unit_start() - the starts of a service: folders, ExecStartPre, ExecStart, ExecStartPost */
void as_unit_start(struct as_boot *b, const struct as_scope *scope, const struct as_unit *u);
const char *const *as_unit_dirs(bool user, size_t *ret_n);

/** as_boot_systemd() - everything that the targets of a boot (or of a login) pull in */
void as_boot_systemd(struct as_boot *b, const struct as_scope *scope);

/* ---- the others --------------------------------------------------------------------------- */

/** as_boot_early() - what comes before the units: generators, tmpfiles.d */
void as_boot_early(struct as_boot *b);
void as_boot_initd(struct as_boot *b);
void as_boot_cron(struct as_boot *b, bool at_boot);
void as_boot_at(struct as_boot *b);
void as_boot_login(struct as_boot *b);
void as_boot_desktop(struct as_boot *b);

#endif
