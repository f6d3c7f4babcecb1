// SPDX-License-Identifier: Apache-2.0
/*
 * judge.h - journal → findings: rules are data, evidence is event numbers
 *
 * Pure: the same journal and the same rules give the same findings, on any machine, in a process
 * that is locked to what is open (lockdown_reader() between judge_load() and judge_run()).
 *
 * Two kinds of rules say something about a journal: *Sigma* rules about single events and their
 * counts (public ones run as they are), and *SQL* rules about relations and sequences: one SELECT
 * over the documented tables and views (doc/RULES.md). What is weak alone stays a note.
 */
#ifndef BELLJAR_JUDGE_H
#define BELLJAR_JUDGE_H

#include "base/base.h"
#include "journal/journal.h"

/** enum grade - how much a finding says; words of doc/RULES.md */
enum grade {
	GRADE_FACT,    /* it happened; nothing is said about why */
	GRADE_NOTE,    /* one sign, which has an innocent explanation as often as not */
	GRADE_CONCERN, /* a sign that asks for an answer from the vendor */
	GRADE_FINDING, /* two independent kinds of evidence, and it is the subject that did it */
	GRADES
};
const char *grade_name(enum grade g);
/** grade_find() - GRADES for a word that is none */
enum grade grade_find(const char *name);

#define EVIDENCE_MAX 100    /* event numbers kept of a finding; the rest is counted */
#define FINDINGS_MAX 100000 /* of one judgement; more are counted, and that is a finding itself */

enum rule_kind { RULE_SIGMA, RULE_SQL, RULE_YARA, RULE_BUILTIN, RULE_KINDS };
const char *rule_kind_name(enum rule_kind k);

/** struct finding - one thing that a rule found; strings belong to the judgement */
struct finding {
	enum grade grade;
	enum rule_kind kind;
	const char *rule;     /* id of the rule */
	const char *title;    /* in words for people */
	const char *why;      /* why it matters; NULL */
	const char *innocent; /* the explanation that is harmless; NULL */
	const char *done;     /* what was done to rule that out; NULL: nothing */
	const char *attack;   /* MITRE ATT&CK ids, comma; NULL */
	struct str subject;   /* what it is about: a file, a name, a process; from the box */
	struct str detail;    /* from the box */
	uint32_t proc;	      /* process key, 0 none */
	uint64_t count;	      /* how often */
	size_t nseqs;
	const uint64_t *seqs; /* events of the evidence, ascending, at most EVIDENCE_MAX */
	size_t nothers;
	const uint64_t *others; /* events of the journal given as --against */
};

/** struct judge_rules_from - where rules are; folders are searched for files by their ending */
struct judge_rules_from {
	const char *sql;	  /* folder of *.sql; NULL: the installed ones */
	const char *const *sigma; /* folders or files, *.yml; ended by NULL; may be NULL */
	const char *const *yara;  /* folders or files, *.yar, *.yara; ended by NULL; may be NULL */
};

/** struct rule_info - a loaded rule, for `belljar rules` */
struct rule_info {
	enum rule_kind kind;
	const char *id, *title, *file, *attack, *why, *innocent;
	enum grade grade;
	const char *left_out; /* why it does not take part; NULL: it does */
};

/* ---- files ---------------------------------------------------------------------------------- */

/** enum import_class - what the functions are for that a program takes from libraries */
enum import_class {
	IMPORT_NETWORK,
	IMPORT_EXEC,
	IMPORT_INJECT, /* other programs' memory, ptrace */
	IMPORT_DEBUG,  /* is somebody watching? */
	IMPORT_KEYS,
	IMPORT_SCREEN,
	IMPORT_SECRETS, /* stores of passwords */
	IMPORT_CRYPTO,
	IMPORT_LOADER,
	IMPORT_CLASSES
};
const char *import_class_name(enum import_class c);

/** struct file_look - what the bytes of one file say (doc/RULES.md, table file_info) */
struct file_look {
	const char *type;    /* pe, elf, script, other */
	const char *kind;    /* program, library, object, driver, core; NULL */
	const char *arch;    /* x86-64, i386, …; NULL */
	const char *linking; /* static, dynamic; NULL */
	bool stripped, packed;
	struct str marks;		       /* go, rust, dotnet, upx, …, with commas */
	struct str libraries, names, sections; /* with commas */
	unsigned imports;		       /* bits by import_class */
	double entropy, code_entropy; /* bits a byte: of all; of the most random executed part */
	uint64_t appended;	      /* bytes behind the last part that the format knows */
	/* signature: none, good, other-bytes (for a file with another digest), broken */
	const char *signature;
	struct str signer, signer_issuer, signer_chain, signed_at;
	unsigned signatures;	   /* nested ones with it */
	uint64_t beside_signature; /* bytes in the certificate table outside of every signature */
	char digest[SHA256_HEX];   /* PE: Authenticode SHA-256, without what a signature changes */
	char normal[SHA256_HEX];   /* SHA-256 without what differs from build to build; "" none */
	char *fuzzy;		   /* ssdeep; NULL */
};

/** struct file_info - a file that a program in the box wrote or ran, under one of its names */
struct file_info {
	struct str path, package; /* package: that owns it by the box's own dpkg database */
	char sha256[SHA256_HEX];
	uint64_t size, seq;		 /* event that tells of it */
	uint32_t run, proc;		 /* who wrote it; 0 not known */
	bool kept, executed;		 /* the bytes are there; it was run or loaded */
	bool again;			 /* a file before it in the book has the same bytes */
	const struct file_look *look;	 /* NULL: no bytes */
	const struct file_info *similar; /* the most similar file with other bytes; NULL */
	int similarity;			 /* 1 … 100; 100: equal but for what a build changes */
};

/** struct file_book - the files of a journal, by path */
struct file_book {
	size_t n;
	struct file_info *v;
	uint64_t left_out; /* beyond a limit */
	struct arena memory;
};

#define FILES_MAX 20000 /* files of one journal that are described */

struct object_store;

/**
 * objects_open() - have the bytes of a box's programs at hand: before the lockdown
 * @journal: path of journal.db; the store and the box's package lists lie beside it
 *
 * A journal without a store beside it gives an empty one.
 *
 * Return: 0 or -errno.
 */
int objects_open(const char *journal, struct object_store **ret, struct err *err);
void objects_free(struct object_store *o);

/** files_look() - describe the files of a journal. Return: 0, -errno */
int files_look(struct journal_reader *r, const struct object_store *o, struct file_book **ret,
	       struct err *err);
void files_free(struct file_book *b);

/* ---- a capture file ------------------------------------------------------------------------- */

/** struct regular - contacts of a host with somebody, and whether their times are too regular for
 * chance (doc/RULES.md, table beacon); strings live as long as the struct capture_contacts */
struct regular {
	const char *what;	/* connection, burst, dns */
	const char *key;	/* name, address, undeclared */
	struct str host;	/* address of who contacted: a capture has no processes */
	struct str destination; /* registrable domain, or address; empty: all that is undeclared */
	struct str name;	/* in full, of the first contact; empty: none */
	struct str protocol;	/* tcp, udp, dns */
	uint16_t port;		/* 0 none */
	bool declared;		/* whoever asked has said that this is known */
	bool told;		/* regular, undeclared, no protocol's routine, and not told by
				 * another series already */
	uint64_t crowd;		/* so many addresses without a name, this one among them, are told
				 * as one: contacted after about the same time, or from one socket;
				 * 0 none */
	struct str lead;       /* the address by which the crowd of this one is told; empty: none */
	uint64_t contacts;     /* events that are close together are one */
	double first, seconds; /* since the first packet; from the first contact to the last */
	bool too_few;	       /* to judge; what follows is then nothing */
	double period, jitter; /* seconds; (Q3 - Q1)/median of the distances */
	double p;	       /* how often chance is as regular */
	size_t blocks, flagged; /* stretches that were judged alone, and those with p <= 0.01 */
	size_t regular_start;	/* first distances that are equal, when later ones spread; else 0 */
	double same_size;	/* share of messages as large as the one before */
	struct str routine;	/* the protocol of which each message, both ways, is what it sends
				 * by the clock (BURST.routine): regular, and not told; empty: none */
};

/** regular_words() - for people: how often, how evenly, and how seldom chance is like it. @period
 * in seconds, @jitter as struct regular has it */
void regular_words(struct buf *o, double period, double jitter, double p);

#define REGULAR_P	 0.01 /* as rules/regular-contacts.sql has it */
#define REGULAR_CONTACTS 8

struct capture_contacts;
/** capture_contacts_new() - @declared: is it known that somebody contacts this? @name may be empty;
 * @declared may be NULL. Memory is bounded: CONTACT_SERIES_MAX series, CONTACT_TIMES_ALL times */
struct capture_contacts *capture_contacts_new(bool (*declared)(void *ctx, struct str name,
							       struct str address, uint16_t port),
					      void *ctx);
/** capture_contacts_event() - take the next event of gate_read_file(); @c: of the above. Return: 0
 */
int capture_contacts_event(void *c, const struct event *ev);
/** capture_contacts_judge() - after the last event. Return: how many series there are */
size_t capture_contacts_judge(struct capture_contacts *c);
const struct regular *capture_contacts_get(const struct capture_contacts *c, size_t i);
/** capture_contacts_full() - something was left out, for room */
bool capture_contacts_full(const struct capture_contacts *c);
void capture_contacts_free(struct capture_contacts *c);

struct judge;

/**
 * judge_load() - read and compile rules
 * @bad: called with one sentence for each rule that is malformed; the others are loaded
 *
 * Return: 0; -errno when a folder cannot be read (EXIT_UNREADABLE).
 */
int judge_load(const struct judge_rules_from *from, void (*bad)(void *ctx, const char *sentence),
	       void *ctx, struct judge **ret, struct err *err);
void judge_free(struct judge *j);
size_t judge_rules(const struct judge *j);
const struct rule_info *judge_rule(const struct judge *j, size_t i);

struct judgement {
	size_t n;
	struct finding *v;     /* gravest first, then by rule, subject, first event */
	uint64_t left_out;     /* findings beyond FINDINGS_MAX */
	size_t rules;	       /* that took part */
	size_t rules_left_out; /* Sigma rules that cannot: judge_rule() says why */
	struct arena memory;
};

/**
 * judge_run() - what the rules say of a journal
 * Rules that compare two journals run when judge_attach() was called.
 *
 * Return: 0; -EIO, EXIT_CORRUPT for a journal that cannot be read.
 */
int judge_run(struct judge *j, struct journal_reader *r, struct judgement **ret, struct err *err);
/** judge_attach() - give the SQL rules a second journal, as schema 'other'; before the lockdown */
int judge_attach(struct journal_reader *r, const char *path, struct err *err);
/** judge_objects() - the bytes that belong to the journal, borrowed: YARA and the table file_info
 * need them; without, files are known by name only */
void judge_objects(struct judge *j, const struct object_store *o);
/** judge_other() - the second journal again, for the table other_file_info; all borrowed */
void judge_other(struct judge *j, struct journal_reader *r, const struct object_store *o);
/** judge_files() - the files that the last judge_run() described; they go with @j. NULL: it did
 * not have to */
const struct file_book *judge_files(const struct judge *j);
void judgement_free(struct judgement *v);

#endif
