// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_inner.h - what the files of the Sigma engine share
 */
#ifndef BELLJAR_JUDGE_SIGMA_INNER_H
#define BELLJAR_JUDGE_SIGMA_INNER_H

#include <uthash.h>
#include <yaml.h>

#include "judge/sigma.h"

/* ---- expressions -------------------------------------------------------------------------- */

enum expr_op { EXPR_FALSE, EXPR_TRUE, EXPR_ATOM, EXPR_NOT, EXPR_AND, EXPR_OR };

/** struct expr - a node; children are chained by next. Index 0 is EXPR_FALSE: 'none' */
struct expr {
	enum expr_op op;
	uint32_t atom;	      /* ATOM */
	uint32_t first, next; /* of struct sigma's expr[] */
};

/* ---- atoms -------------------------------------------------------------------------------- */

enum atom_kind {
	ATOM_TEXT,   /* a pattern of the field's Hyperscan database */
	ATOM_ABSENT, /* the field has no value (null) */
	ATOM_EMPTY,  /* there and empty */
	ATOM_EXISTS, /* there */
	ATOM_NUMBER, /* compared as a number */
	ATOM_CIDR,   /* an address within a network */
	ATOM_FIELD,  /* compared with another field */
	ATOM_TIME,   /* a part of the event's time compared with a number */
};

enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };
enum time_part { TIME_MINUTE, TIME_HOUR, TIME_DAY, TIME_WEEK, TIME_MONTH, TIME_YEAR };
enum relation { REL_EQUAL, REL_STARTS, REL_ENDS, REL_CONTAINS };

/** struct atom - one test of one field; equal tests are one atom (key) */
struct atom {
	char *key;
	uint32_t id;
	enum atom_kind kind;
	enum row_cat cat;
	int field;   /* of the category; ROW_ANY: every field (keywords); ROW_NONE: we have no such
		      * field, which is as if it never had a value */
	char *regex; /* TEXT: for Hyperscan and PCRE */
	unsigned flags; /* TEXT: HS_FLAG_… */
	/* TEXT: regex is a text of so many bytes, and where it must stand is not in it; 0: it is */
	size_t text_n;
	bool starts, ends;
	void *confirm; /* TEXT: pcre2_code, when Hyperscan can only say 'perhaps' */
	enum compare compare;
	enum time_part part;
	double number;
	uint8_t net[16];
	int bits; /* CIDR: of a 128-bit address, IPv4 as ::ffff:… */
	int other;
	enum relation relation;
	bool cased;
	bool others;	 /* a rule that is not for Windows makes this test */
	uint32_t *rules; /* rules that this atom triggers */
	size_t nrules;
	UT_hash_handle hh;
};

/* ---- rules -------------------------------------------------------------------------------- */

#define GROUP_BY_MAX 8

enum correlation_type { COR_EVENT_COUNT, COR_VALUE_COUNT, COR_TEMPORAL, COR_TEMPORAL_ORDERED };

/** struct alias - a field of a correlation that has another name in each rule */
struct alias {
	char *name, *rule, *field;
};

/** struct correlation - what a correlation rule asks of the matches of others */
struct correlation {
	enum correlation_type type;
	int line, column;			    /* of the rules */
	enum { COR_NEW, COR_OPEN, COR_DONE } state; /* while circles are sought */
	char **names;				    /* ids or names of the rules */
	uint32_t *rules;
	size_t nrules, ndifferent;
	char *group_by[GROUP_BY_MAX];
	int ngroup;
	struct alias *alias;
	size_t naliases;
	uint64_t span; /* ns */
	char *field;   /* VALUE_COUNT */
	struct {
		enum compare compare;
		double number;
	} condition[4];
	int nconditions;
	bool generate; /* the base rules' own matches count as well */
	struct cor_group *groups;
	size_t ngroups;
};

struct rule {
	struct sigma_rule pub;
	uint32_t expr;
	bool silent; /* only there for a correlation: its own matches are not told */
	struct correlation *cor;
	uint64_t stamp;		/* last row that it was evaluated for */
	uint32_t *correlations; /* that count this rule's matches */
	size_t ncorrelations;
};

struct placeholder {
	char *name;
	char **values;
	size_t n;
	UT_hash_handle hh;
};

/** struct list - a growing array of numbers */
struct list {
	uint32_t *v;
	size_t n;
};
void list_add(struct list *l, uint32_t v);

struct field_db; /* sigma_match.c */

struct sigma {
	struct rule **rule;
	size_t nrules, rules_cap;
	struct expr *expr;
	size_t nexprs, exprs_cap;
	struct atom *atoms; /* hash by key */
	struct atom **atom; /* by id */
	size_t natoms, atoms_cap;
	struct placeholder *placeholders;
	struct list always[ROW_CATS];
	/* [1]: tests that only rules for Windows make. The last field: keywords */
	struct field_db *db[2][ROW_CATS][ROW_FIELDS_MAX + 1];
	struct hs_scratch *scratch;
	void (*bad)(void *ctx, const char *sentence);
	void *bad_ctx;
	uint64_t forgotten;   /* matches that a correlation had no room for */
	uint64_t given_up;    /* regular expressions that took too many steps on a value */
	struct err failed;    /* of a database that could not be compiled when it was needed */
	void *confirm_data;   /* pcre2_match_data */
	void *confirm_limits; /* pcre2_match_context */
	struct list hits, candidates; /* of one row, each once: room for all atoms, all rules */
	uint64_t *stamp;	      /* per atom: last row that it was found in */
	uint64_t now;		      /* number of the row */
	struct value_cache *cache;
};

/** expr_new() - a node of @op; @first: its chained children */
uint32_t expr_new(struct sigma *s, enum expr_op op, uint32_t first);
/** expr_join() - AND or OR of @n nodes: none gives TRUE or FALSE, one gives itself */
uint32_t expr_join(struct sigma *s, enum expr_op op, const uint32_t *v, size_t n);
/** expr_copy() - a subtree once more, since nodes are chained to one parent */
uint32_t expr_copy(struct sigma *s, uint32_t e);
uint32_t expr_atom(struct sigma *s, uint32_t atom);

/* ---- reading (sigma_rule.c, sigma_value.c, sigma_condition.c) ----------------------------- */

/** struct reading - one document while it is read */
struct reading {
	struct sigma *s;
	const char *file;
	size_t line; /* of the file, where the parser has begun */
	yaml_document_t *doc;
	struct rule *rule;
	struct err *err;
	size_t first_expr; /* of this document */
	bool placeholder;  /* a placeholder without values was met */
	bool outdated;
};

/** bad_at() - -EINVAL with "FILE:LINE:COLUMN: …" at a node */
int bad_at(struct reading *r, const yaml_node_t *at, const char *fmt, ...) PRINTF(3, 4);
yaml_node_t *map_get(yaml_document_t *doc, const yaml_node_t *map, const char *key);
/** scalar_text() - NULL for what is no scalar */
const char *scalar_text(const yaml_node_t *n);
/** scalar_null() - an unquoted nothing, ~ or null */
bool scalar_null(const yaml_node_t *n);

/** item_expr() - one 'field|modifier…: value' of a selection. Return: 0 and *ret, -EINVAL */
int item_expr(struct reading *r, const yaml_node_t *key, yaml_node_t *value, uint32_t *ret);
/** keyword_expr() - a text that may be in any field */
int keyword_expr(struct reading *r, const yaml_node_t *value, uint32_t *ret);
/** condition_expr() - the condition's text over the rule's selections */
int condition_expr(struct reading *r, const yaml_node_t *at, const yaml_node_t *detection,
		   uint32_t *ret);
/** selection_expr() - what one name of a detection stands for */
int selection_expr(struct reading *r, yaml_node_t *n, int depth, uint32_t *ret);
/** correlation_read() - the 'correlation' of a document. Return: 0 or -EINVAL */
int correlation_read(struct reading *r, const yaml_node_t *map);

/** global_join() - a document, whose root is a mapping, gets what it lacks from the global one */
void global_join(yaml_document_t *to, yaml_document_t *from);

/** atom_get() - the atom of this test; @like is copied when it is new (its pointers are taken) */
uint32_t atom_get(struct sigma *s, struct atom *like);

/* ---- matching ----------------------------------------------------------------------------- */

/** correlations_resolve() - names to rules; a correlation of rules that are not there, or of
 * itself, is told and has no part */
void correlations_resolve(struct sigma *s);
/** sigma_bad() - tell one sentence */
void sigma_bad(const struct sigma *s, const char *sentence);
/** correlation_feed() - a rule has matched; may emit matches of correlations */
int correlation_feed(struct sigma *s, uint32_t rule, const struct row *row,
		     int (*fn)(void *ctx, const struct sigma_match *m), void *ctx);
void correlation_free(struct correlation *c);
bool compare_numbers(double a, enum compare c, double b);

/** pattern_check() - is @regex one, for Hyperscan or for PCRE? It may add to *@flags that it needs
 * help. Return: true; false with the character that is wrong */
bool pattern_check(const char *regex, unsigned *flags, size_t *ret_at);
void match_free(struct sigma *s);
/** triggers_make() - which atoms make a rule worth evaluating */
void triggers_make(struct sigma *s);

#endif
