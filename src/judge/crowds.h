// SPDX-License-Identifier: Apache-2.0
/*
 * crowds.h - many addresses without a name that one program contacts in one way
 */
#ifndef BELLJAR_JUDGE_CROWDS_H
#define BELLJAR_JUDGE_CROWDS_H

#include "judge/contacts.h"
#include "judge/judge.h"

/** crowds_tell() - of series that are told, by address and without a name, leave the most regular
 * of each crowd told, with how many it is told for; the others get its address as their lead.
 * @v: made of the series of @book, in its order */
void crowds_tell(struct regular *v, size_t n, const struct contact_book *book);

#endif
