// SPDX-License-Identifier: Apache-2.0
/*
 * look.h - what the bytes of a program say about it: format, imports, entropy, signature
 *
 * All of it is said by the file itself, which is hostile. A signature that holds proves that who
 * has the key signed these bytes; nobody checks here whether the certificate's issuer is to be
 * believed, since a Linux machine has no list of who may sign programs of Windows.
 */
#ifndef BELLJAR_JUDGE_LOOK_H
#define BELLJAR_JUDGE_LOOK_H

#include "judge/judge.h"

#define LOOK_SECTIONS_MAX  96	       /* of one file, that are measured */
#define LOOK_NAMES_MAX	   48	       /* imported functions that are named */
#define LOOK_SYMBOLS_MAX   65536       /* imported functions that are looked at */
#define LOOK_LIBRARIES_MAX 256	       /* libraries that are named */
#define LOOK_SEARCH_MAX	   (64u << 20) /* bytes that are searched for marks */
#define LOOK_FUZZY_MAX	   (16u << 20) /* larger files get no similarity hash */
#define LOOK_HOLES_MAX	   256
#define LOOK_NAME_MAX	   512 /* bytes of a name in a certificate */

/** struct hole - bytes that differ from build to build without a difference in what the file does
 */
struct hole {
	size_t at, n;
	bool cut; /* left out, not zeroed */
};

/** struct looking - one file while it is looked at */
struct looking {
	struct arena *a;
	struct file_look *to;
	const uint8_t *p;
	size_t n;
	struct hole hole[LOOK_HOLES_MAX];
	size_t nholes;
	struct buf libraries, names, sections, marks;
	size_t nlibraries, nnames, nsymbols, nsections;
	size_t nplaces;	  /* where rdtsc may be that were looked at */
	bool counted;	  /* and one of them is */
	uint32_t seen[8]; /* imported functions that were named already: bits of the table */
};

/** look_at() - describe @n bytes; strings live in @a */
void look_at(struct arena *a, const void *p, size_t n, struct file_look *ret);

/* ---- parts (look_pe.c, look_elf.c, look_signature.c) -------------------------------------- */

void look_pe(struct looking *l);
void look_elf(struct looking *l);
/** look_certificates() - a PE's certificate table; @digest_of gives its Authenticode digest */
void look_certificates(struct looking *l, size_t at, size_t n,
		       int (*digest_of)(const struct looking *l, const void *md, uint8_t *out));

/* ---- what they share (look.c, look_imports.c) --------------------------------------------- */

/** look_section() - a part of the file with its own entropy; @code: it is executed */
void look_section(struct looking *l, struct str name, size_t at, size_t n, bool code);
/** look_counter() - executed code of x86 (@wide: 64 bit) is searched for rdtsc; mark time-counter
 */
void look_counter(struct looking *l, size_t at, size_t n, bool wide);
void look_library(struct looking *l, struct str name);
/** look_import() - a function that the file takes from a library */
void look_import(struct looking *l, struct str name);
/** import_is_for() - that function is one of the class of that name (import_class_name()) */
bool import_is_for(struct str name, struct str class);
void look_mark(struct looking *l, const char *word);
void look_hole(struct looking *l, size_t at, size_t n, bool cut);
double look_entropy(const uint8_t *p, size_t n);

#endif
