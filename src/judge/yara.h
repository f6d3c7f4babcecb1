// SPDX-License-Identifier: Apache-2.0
/*
 * yara.h - YARA rules over the bytes of what programs wrote or ran
 */
#ifndef BELLJAR_JUDGE_YARA_H
#define BELLJAR_JUDGE_YARA_H

#include "judge/files.h"
#include "judge/inner.h"

#define YARA_FILE_MAX	   (16u << 20) /* bytes of one rule file */
#define YARA_FILE_SECONDS  10	       /* for all rules on one file of the box */
#define YARA_TOTAL_SECONDS 300	       /* for all files */
#define YARA_SHOWN_MAX	   8	       /* strings that a finding names */

struct yara;
struct yara *yara_new(void);
void yara_free(struct yara *y);
/** yara_add() - compile a file, whose text ends with NUL behind @text; "FILE:LINE: …" in @err, and
 * none of its rules take part. 0, -EINVAL */
int yara_add(struct yara *y, const char *file, struct str text, struct err *err);
/** yara_ready() - no more are added. Return: 0, -errno */
int yara_ready(struct yara *y, struct err *err);
size_t yara_count(const struct yara *y);
/** yara_list() - each rule, with words in @a */
void yara_list(const struct yara *y, struct arena *a,
	       void (*fn)(void *ctx, const struct rule_info *info), void *ctx);
/** yara_run() - a finding for each rule and file */
void yara_run(const struct yara *y, const struct file_book *b, const struct object_store *o,
	      struct finds *f);

#endif
