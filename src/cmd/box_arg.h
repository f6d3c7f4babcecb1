// SPDX-License-Identifier: Apache-2.0
/*
 * box_arg.h - what the subcommands that work on a box at rest have in common
 */
#ifndef BELLJAR_CMD_BOX_ARG_H
#define BELLJAR_CMD_BOX_ARG_H

#include <jansson.h>

#include "box/box.h"
#include "cmd/cmd.h"

/** struct box_args - options and operands of such a subcommand */
struct box_args {
	bool json;
	const char *output; /* -o */
	const char *root;   /* --root */
	bool pcapng;
	int n; /* operands */
	char **operand;
};

/**
 * box_args_parse() - options are those in @allowed: 'j' --json, 'o' --output, 'r' --root, 'p'
 * --pcapng
 * @min, @max: how many operands
 *
 * Return: -1: go on; else an exit status, all said.
 */
int box_args_parse(int argc, char **argv, const char *allowed, int min, int max,
		   struct box_args *ret);

/** box_arg_mark() - write into the box's record, if it has one, that its user did something */
int box_arg_mark(struct box_home *home, struct box *box, const char *name, const char *detail,
		 struct err *err);

/**
 * box_arg_rows() - run one SELECT over a box's journal; the rows as JSON objects
 * @ret_rows: array, to be released; empty when there is no journal yet
 *
 * The journal is read by a locked-down child (its strings are the programs' choice), and what it
 * sends is bounded. Return: 0; -EBADMSG, EXIT_CORRUPT when the journal cannot be read.
 */
#define BOX_ARG_ROWS_MAX 1000
int box_arg_rows(struct box *box, const char *sql, json_t **ret_rows, struct err *err);

/** box_arg_size() - bytes on disk, counted up to BOX_ARG_ENTRIES; @ret_more: there is more */
#define BOX_ARG_ENTRIES 20000
uint64_t box_arg_size(struct box *box, bool *ret_more);

/** box_arg_print() - JSON on stdout, with a newline; an exit status */
int box_arg_print(json_t *j);
const char *box_arg_human(uint64_t bytes, char buf[16]); /* 1.2M */
/** box_arg_cut() - a string of the record for one column: escaped, at most @width characters */
void box_arg_cut(struct buf *out, const char *s, size_t width);

/** export_capture() - the packets of a run (0: the last) to @fd; an exit status after its sentence
 */
int export_capture(const char *name, int run, int fd);

/**
 * whole_file() - @write writes what is to be FILE on @fd, in a process that may open the home of
 * the boxes; it appears whole or not at all. Return: an exit status, all said
 */
int whole_file(const char *what, const char *file, int (*write)(void *ctx, int fd), void *ctx);
int whole_file_failed(const char *what, const char *file, int code);

#endif
