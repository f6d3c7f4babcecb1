// SPDX-License-Identifier: Apache-2.0
/*
 * autostart.h - what the files of the autostart part share
 *
 * Theory of operation
 *
 * The catalogue (autostart.def) says where programs arrange to be started again, and which parser
 * reads such a file. A parser is a pure function: path and bytes in, entries out (a unit, a cron
 * line, a key). Entries of the box as it was and as it is are compared by (class, place, name);
 * what is equal in both cancels out. The program that an entry starts is looked up in the box's
 * own file system, of which this part only sees a few questions (struct as_fs), so that plain
 * folders serve in tests.
 *
 * Everything read here was written by the program under glass: parsers are bounded, never trust a
 * length, and take any byte.
 */
#ifndef BELLJAR_CAPTURE_AUTOSTART_H
#define BELLJAR_CAPTURE_AUTOSTART_H

#include "capture/capture.h"

#define AS_FILE_MAX    (1u << 20) /* bytes of one file that are parsed */
#define AS_TEXT_MAX    4096u	  /* longest name or command kept; longer is cut */
#define AS_PATH_MAX    4096u
#define AS_PER_FILE    2000u   /* entries of one file */
#define AS_ENTRIES_MAX 100000u /* entries of one comparison */
#define AS_LINKS_MAX   40      /* symbolic links followed, as the kernel's MAXSYMLINKS */
#define AS_DEPTH_MAX   12      /* nested scripts, include files, wants of wants */
#define AS_HOMES_MAX   256     /* home directories looked at */
#define AS_DIR_MAX     20000u  /* names of one directory */

/* ---- the file system that is looked at ---------------------------------------------------- */

struct as_stat {
	uint32_t mode, uid, gid;
	uint64_t size;
};

/** struct as_fs - questions to a tree; paths are absolute and free of links, no call follows one */
struct as_fs {
	void *ctx;
	int (*lstat)(void *ctx, const char *path, struct as_stat *ret);
	/* the first @max bytes, malloc'd and NUL-terminated beyond them */
	int (*read)(void *ctx, const char *path, size_t max, char **ret, size_t *ret_n);
	int (*readlink)(void *ctx, const char *path, char *buf, size_t room);
	int (*list)(void *ctx, const char *path, int (*fn)(void *arg, const char *name), void *arg);
	/* the rest may be NULL: a general way is taken then */
	/* whether a regular file's bytes differ from the one of the same path in @other */
	bool (*differs)(void *ctx, void *other, const char *path);
	/* path without links; @last: also the last component */
	int (*real)(void *ctx, const char *path, bool last, char out[AS_PATH_MAX]);
	/* whether a regular file has file capabilities */
	bool (*caps)(void *ctx, const char *path);
};

/** as_real() - follow all links inside the tree. Return: 0, -ENOENT, -ELOOP, -ENAMETOOLONG */
int as_real(const struct as_fs *fs, const char *path, char out[AS_PATH_MAX]);
/** as_real_parent() - the same but for the last component */
int as_real_parent(const struct as_fs *fs, const char *path, char out[AS_PATH_MAX]);
/** as_stat() - links followed; @real may be NULL */
int as_stat(const struct as_fs *fs, const char *path, struct as_stat *st, char *real);
/** as_slurp() - a regular file's bytes, links followed, at most AS_FILE_MAX */
int as_slurp(const struct as_fs *fs, const char *path, char **ret, size_t *ret_n);
/** as_is_program() - a regular file with an execute bit */
bool as_is_program(const struct as_fs *fs, const char *path, char *real);
/** as_differs() - whether a path (link itself, bytes, type, execute bits) is not as in @base */
bool as_differs(const struct as_fs *now, const struct as_fs *base, const char *path);

/* ---- the catalogue ------------------------------------------------------------------------ */

enum as_class_id {
#define CLASS(id, name, title, technique) AS_C_##id,
#define PLACE(id, parser, pattern)
#include "capture/autostart/autostart.def"
#undef CLASS
#undef PLACE
	AS_CLASSES,
};

/* X(id, what a file's entries are, flags) */
#define AS_PARSERS(X)                                                                              \
	X(UNIT, AS_F_LINKS | AS_F_STARTS)                                                          \
	X(LINGER, AS_F_BLIND)                                                                      \
	X(SCRIPT, AS_F_STARTS | AS_F_BLIND)                                                        \
	X(INITD, AS_F_STARTS | AS_F_BLIND)                                                         \
	X(RCLINK, AS_F_LINKS | AS_F_BLIND)                                                         \
	X(INITTAB, AS_F_STARTS)                                                                    \
	X(RCLOCAL, AS_F_STARTS | AS_F_FOLD)                                                        \
	X(SHVARS, AS_F_FOLD)                                                                       \
	X(CRON_SYSTEM, AS_F_STARTS)                                                                \
	X(CRON_USER, AS_F_STARTS)                                                                  \
	X(ANACRON, AS_F_STARTS)                                                                    \
	X(AT, AS_F_STARTS)                                                                         \
	X(DESKTOP, AS_F_STARTS)                                                                    \
	X(SHELL, AS_F_FOLD)                                                                        \
	X(ENV, 0)                                                                                  \
	X(PRELOAD, AS_F_STARTS)                                                                    \
	X(PTH, 0)                                                                                  \
	X(PYSTART, AS_F_FOLD)                                                                      \
	X(PAM, 0)                                                                                  \
	X(PAM_CONF, 0)                                                                             \
	X(PAM_CONFIG, 0)                                                                           \
	X(PASSWD, 0)                                                                               \
	X(SHADOW, 0)                                                                               \
	X(GROUP, 0)                                                                                \
	X(SUDOERS, 0)                                                                              \
	X(POLKIT, AS_F_WHOLE)                                                                      \
	X(AUTHKEYS, 0)                                                                             \
	X(SSHCONF, 0)                                                                              \
	X(MODLOAD, 0)                                                                              \
	X(MODPROBE, 0)                                                                             \
	X(DKMS, AS_F_WHOLE)                                                                        \
	X(SYSCTL, 0)                                                                               \
	X(BINFMT, 0)                                                                               \
	X(KERNELPATH, 0)                                                                           \
	X(UDEV, 0)                                                                                 \
	X(IFACES, 0)                                                                               \
	X(DBUS, AS_F_STARTS)                                                                       \
	X(INETD, 0)                                                                                \
	X(XINETD, 0)                                                                               \
	X(LOGROTATE, 0)                                                                            \
	X(GITCONFIG, 0)                                                                            \
	X(GITHOOK, AS_F_BLIND)                                                                     \
	X(SUPERVISOR, AS_F_STARTS)                                                                 \
	X(MONIT, AS_F_FOLD)                                                                        \
	X(APTCONF, 0)                                                                              \
	X(SOURCES, 0)                                                                              \
	X(KEYRING, AS_F_WHOLE)                                                                     \
	X(DPKGCONF, 0)                                                                             \
	X(MAINTSCRIPT, AS_F_WHOLE)                                                                 \
	X(TRIGGERS, 0)                                                                             \
	X(CERT, AS_F_LINKS | AS_F_WHOLE)                                                           \
	X(HOSTS, 0)                                                                                \
	X(NATIVE_HOST, 0)                                                                          \
	X(EXTENSION, AS_F_WHOLE)                                                                   \
	X(POLICY, 0)                                                                               \
	X(JSON, AS_F_WHOLE)                                                                        \
	X(DOCKER, AS_F_WHOLE)                                                                      \
	X(DIVERSIONS, 0)                                                                           \
	X(LINK, AS_F_LINKS | AS_F_BLIND)                                                           \
	X(KEYS, AS_F_FOLD)                                                                         \
	X(LINES, AS_F_FOLD)                                                                        \
	X(FILE, AS_F_WHOLE)                                                                        \
	X(NEWLIB, AS_F_WHOLE)                                                                      \
	X(SETID, AS_F_ALSO | AS_F_BLIND)                                                           \
	X(REPLACED, AS_F_ALSO | AS_F_WHOLE | AS_F_IN_BOTH)

enum as_parser_flags {
	AS_F_LINKS = 1,	   /* a symbolic link is an entry by itself, wherever it leads */
	AS_F_STARTS = 2,   /* entries start programs: looked at again when only a program changed */
	AS_F_FOLD = 4,	   /* many lines: a file that is new as a whole is one entry */
	AS_F_WHOLE = 8,	   /* any changed byte changes the entry */
	AS_F_ALSO = 16,	   /* looks at files that belong to other places too */
	AS_F_IN_BOTH = 32, /* only files that were there before */
	AS_F_BLIND = 64,   /* does not look at the bytes */
};

enum as_parser_id {
#define X(id, flags) AS_P_##id,
	AS_PARSERS(X)
#undef X
		AS_PARSERS_N,
};

struct as_place {
	enum as_class_id class;
	enum as_parser_id parser;
	const char *pattern;
};
extern const struct as_place as_places[];
extern const size_t as_nplaces;

/** struct as_catalogue - patterns with their braces expanded, in the table's order */
struct as_pattern {
	const struct as_place *place;
	char *text; /* absolute, or "/…" after a home when .home */
	bool home;
	size_t literal; /* bytes before the first wildcard */
};
struct as_catalogue {
	struct as_pattern *v;
	size_t n;
	char *home[AS_HOMES_MAX];
	int nhomes;
};
void as_catalogue_init(struct as_catalogue *cat);
void as_catalogue_free(struct as_catalogue *cat);
/** as_catalogue_homes() - add the homes of the tree's passwd file and of /home */
void as_catalogue_homes(struct as_catalogue *cat, const struct as_fs *fs);
/** as_match() - the places that a path belongs to; @setid: also that of set-id files, which is
 * everywhere. Return: how many */
#define AS_MATCH_MAX 4
int as_match(const struct as_catalogue *cat, const char *path, bool setid,
	     const struct as_place *ret[AS_MATCH_MAX]);
/** as_glob() - pattern without braces and '~' against a path */
bool as_glob(const char *pattern, const char *path);
/** as_walk() - files of the tree in places whose parser has @flags, but for those that can be
 * anywhere (a cgi-bin): a whole system would be read for them */
int as_walk(const struct as_catalogue *cat, const struct as_fs *fs, unsigned flags,
	    void (*fn)(void *ctx, const char *path), void *ctx);

/* ---- entries ------------------------------------------------------------------------------ */

/** enum as_how - how an entry's command names its program */
enum as_how {
	AS_NONE,   /* it names none */
	AS_SELF,   /* the place is the program */
	AS_EXEC,   /* an argument list; first word is the program */
	AS_SHELL,  /* a shell command line */
	AS_PATH,   /* a path, as a whole */
	AS_UNIT,   /* a systemd unit */
	AS_MODULE, /* a PAM module's file name */
};

struct as_item {
	const struct as_place *place;
	struct str path, name, command, program;
	enum as_how how;
	struct str names;	    /* what to look the program up by, where it is not .command */
	uint8_t digest[SHA256_LEN]; /* AS_F_WHOLE: of the bytes and mode, else 0 */
	enum change_op op;
};

/** struct as_list - entries, with the memory of their strings */
struct as_list {
	struct as_item *v;
	size_t n, cap;
	bool full; /* AS_ENTRIES_MAX or AS_PER_FILE was reached */
	struct as_chunk *mem;
	/* the file being parsed */
	const struct as_place *place;
	struct str path;
	size_t first; /* index of its first entry */
	uint8_t digest[SHA256_LEN];
};
void as_list_free(struct as_list *l);
struct str as_keep(struct as_list *l, struct str s, size_t max);
void as_list_file(struct as_list *l, const struct as_place *place, const char *path);
struct as_item *as_add(struct as_list *l, struct str name, struct str command, enum as_how how);

/** struct as_file - what a parser gets */
struct as_file {
	const char *path;
	const char *base; /* last component */
	struct str text;
	uint32_t mode;	  /* of the file, behind links */
	const char *link; /* target as written when path is a link, else NULL */
	bool caps;	  /* has file capabilities (asked only for AS_F_ALSO parsers) */
};
typedef void as_parse_fn(const struct as_file *f, struct as_list *out);
struct as_parser {
	const char *name;
	as_parse_fn *parse;
	unsigned flags;
};
extern const struct as_parser as_parsers[AS_PARSERS_N];
#define X(id, flags) as_parse_fn as_parse_##id;
AS_PARSERS(X)
#undef X

/* the command of a changed file whose entries are as before: comments, blank lines, order */
#define AS_NO_ENTRY "other bytes, the same entries"

/** as_parse() - entries of one file of the tree, programs not yet looked up; none if not there */
void as_parse(const struct as_fs *fs, const struct as_place *place, const char *path,
	      struct as_list *out);

/* ---- text --------------------------------------------------------------------------------- */

struct str as_trim(struct str s);
/** as_line() - next line without its end; false at the end */
bool as_line(struct str *rest, struct str *ret);
/** as_logical() - next line with continuations (backslash at its end) joined by a space */
bool as_logical(struct str *rest, struct buf *join, struct str *ret);
/** as_word() - next word, ended by a blank; empty at the end */
struct str as_word(struct str *rest);
/** as_split() - key and value around the first @sep, both trimmed */
bool as_split(struct str line, char sep, struct str *key, struct str *val);
bool as_is(struct str s, const char *z);
bool as_is_nocase(struct str s, const char *z);
bool as_find(struct str s, const char *needle);
char *as_z(struct str s, char *buf, size_t room); /* NUL-terminated copy, cut to fit */

/** struct as_ini - sections of KEY=VALUE as systemd and the desktop write them */
struct as_ini {
	struct str rest;
	struct buf join;
	char section[64];
	struct str key, val;
};
bool as_ini_next(struct as_ini *it);
#define AS_INI(text_) ((struct as_ini){ .rest = (text_), .join = { .limit = AS_FILE_MAX } })

/* ---- programs ----------------------------------------------------------------------------- */

/** as_program() - look up what an entry starts; its path in the box, or empty */
void as_program(const struct as_fs *fs, struct as_list *l, struct as_item *it);
/** as_lookup() - a word as a program: absolute, or through PATH */
bool as_lookup(const struct as_fs *fs, struct str word, char out[AS_PATH_MAX]);
/** as_unit_file() - fragment of a systemd unit in the search path of @user or the system */
bool as_unit_file(const struct as_fs *fs, const char *unit, const char *home_or_null, bool user,
		  char out[AS_PATH_MAX]);

/* ---- comparison --------------------------------------------------------------------------- */

/** struct as_path - a path that changed */
struct as_path {
	const char *path;
	bool setid;  /* has, or had, set-id bits or file capabilities */
	bool target; /* an entry that did not change may name it as its program */
	bool plain;  /* known to be no link, before and now */
};

/**
 * as_compare() - entries of changed files, before against now
 * @paths: changed paths, any order, each once
 * @out:   entries with .op set; .full when there were more than the limits allow
 */
void as_compare(const struct as_catalogue *cat, const struct as_fs *now, const struct as_fs *base,
		const struct as_path *paths, size_t npaths, struct as_list *out);

/** struct as_wanted - paths of a list of changes that are of interest here, strings its own */
struct changeset;
struct as_wanted;
/** autostart_wanted() - of a set whose renames are not paired yet; the set stays as it is */
struct as_wanted *autostart_wanted(const struct changeset *set);
void as_wanted_free(struct as_wanted *w);
/** autostart_of() - autostart_between() for one who has the list of changes already */
int autostart_of(struct box *box, struct box_run *run, unsigned since, const struct as_wanted *w,
		 int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx, struct err *err);
/** as_path_of() - what a change means here; false when it is of no interest */
bool as_path_of(const struct change *c, struct as_path *ret);

/* ---- a box's tree, and records from the child that reads it -------------------------------- */

struct tree;
struct as_fs as_tree_fs(struct tree *t);

#define AS_WIRE_MAX (64u << 20) /* bytes of all records */
enum as_wire {
	AS_WIRE_ENTRY = 1,
	AS_WIRE_START = 2,
	AS_WIRE_FULL = 3,
	AS_WIRE_END = 4,
	AS_WIRE_FAIL = 5
};
void as_wire_entry(struct buf *b, const struct as_item *it);
void as_wire_mark(struct buf *b, enum as_wire what, int code);
/**
 * as_wire_entries() - decode; strings point into @p
 *
 * Return: 0; -EBADMSG; -E2BIG after the last one when the child reached a limit; what @fn returned.
 */
int as_wire_entries(const uint8_t *p, size_t n,
		    int (*fn)(void *ctx, const struct autostart_entry *e), void *ctx,
		    struct err *err);

/* ---- what starts -------------------------------------------------------------------------- */

#define AS_ARGV_MAX 256

/** struct as_start - one program that a boot or login starts; strings live in as_starts.mem */
struct as_start {
	enum as_class_id class;
	struct str place, name;
	struct str argv[AS_ARGV_MAX];
	int argc;
	const char *user, *cwd; /* NULL: root; home */
	const char *when;	/* a literal */
	bool wait, needed;
};
struct as_starts {
	struct as_start *v;
	size_t n;
	bool full;	    /* AUTOSTART_STARTS_MAX was reached */
	struct as_list mem; /* for its strings only */
};
/** as_starts_find() - what a boot of @now starts that @base does not, in order */
void as_starts_find(const struct as_fs *now, const struct as_fs *base, struct as_starts *ret);
void as_starts_free(struct as_starts *s);
void as_wire_start(struct buf *b, const struct as_start *s);
int as_wire_starts(uint8_t *p, size_t n, int (*fn)(void *ctx, const struct autostart_start *s),
		   void *ctx, struct err *err);

#endif
