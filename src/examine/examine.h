// SPDX-License-Identifier: Apache-2.0
/*
 * examine.h - the protocol of experiments: from the install to the looks after the uninstall
 *
 * An examination is a named box with several runs in one journal. What belljar does in it is in the
 * journal as `mark` events with an experiment, a step (begin, act, look, end) and a target; what
 * the box answered is in the journal anyway. So nothing here judges: rules read the marks
 * (doc/EXAMINE.md), and the same journal can be judged again by other rules.
 */
#ifndef BELLJAR_EXAMINE_H
#define BELLJAR_EXAMINE_H

#include "session/session.h"

#define EXAMINE_ARGS_MAX 64  /* arguments of the installer */
#define EXAMINE_SAID_MAX 200 /* of what it printed last */

enum installer_kind {
	INSTALLER_DEB,
	INSTALLER_RPM,
	INSTALLER_SCRIPT,   /* .run, .sh: a shell script, maybe with an archive at its end */
	INSTALLER_ARCHIVE,  /* tar or zip, with an install script in it */
	INSTALLER_NPM,	    /* npm's own: a .tgz with package/package.json */
	INSTALLER_APPIMAGE, /* runs as it is, unpacked */
	INSTALLER_PROGRAM,  /* an ELF program */
	INSTALLERS
};
const char *installer_kind_name(enum installer_kind k);

/** struct examine_file - a file of the host that is brought into the box, opened while we may */
struct examine_file {
	int fd;
	const char *name; /* last component of its path */
};

struct examine_progress {
	const char *experiment, *shows;
	unsigned nr, of;	   /* of the table */
	uint64_t box_ns, watch_ns; /* box time in this experiment, and how long it watches */
	uint64_t total_ns;	   /* box time of the whole examination so far */
	uint64_t events;
	const char *words; /* what was just done; NULL */
};

struct examine_opts {
	struct session_opts session; /* name, create and net are the caller's choice */
	struct examine_file installer;
	struct examine_file manager; /* belljar-systemctl; name NULL: no stand-in */
	int nargs;
	const char *arg[EXAMINE_ARGS_MAX];
	int nfiles; /* further files that the arguments name, brought in beside the installer */
	struct examine_file file[EXAMINE_ARGS_MAX];
	const char *uninstall; /* command for sh -c; NULL: found */
	const char *identity;  /* text for box_identify(); NULL: the box's own invention */
	const char *use;       /* command that uses the product; NULL: none */
	double days;	       /* of the idle experiment */
	double scale;	       /* of all watches; 1 but in tests */
	bool resume;	       /* go on where the journal's marks end */
	bool fed;	       /* our standard input is the installer's */
	/* told at each step and now and then while it watches; may be NULL */
	void (*progress)(void *ctx, const struct examine_progress *p);
	void *progress_ctx;
};

struct examine_result {
	unsigned done, of;	     /* experiments that ended; of the table */
	bool interrupted;	     /* by a signal or a limit: `reason` */
	const char *reason;	     /* as session_run.reason */
	const char *experiment;	     /* that was under way then */
	bool limit;		     /* it was a limit of the box */
	bool rolled_back;	     /* what the install wrote until then is gone again */
	char failed[64];	     /* how the installer ended, when that was no success; "" */
	char said[EXAMINE_SAID_MAX]; /* then: the last line that it printed, ASCII alone */
};

/**
 * examine() - all experiments that apply, in their order
 * @ret: filled also when it was interrupted, which is no failure: the journal has what was done
 *
 * Return: 0; -EEXIST, EXIT_EXISTS when the box has a record and @resume is not asked for; -EINVAL,
 * EXIT_USAGE for an installer of no known kind; -ENOENT, EXIT_NOT_FOUND when a program that
 * installs it is not here; -EBADMSG, EXIT_UNREADABLE when it is damaged; what session_*() say. A
 * box that was made for it is gone when its install could not begin.
 */
int examine(const struct examine_opts *o, struct examine_result *ret, struct err *err);

/** examine_table() - the experiments, for --help and doc: name and what it shows; NULL past the end
 */
const char *examine_table(unsigned i, const char **ret_shows);

#endif
