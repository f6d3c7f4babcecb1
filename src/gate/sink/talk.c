// SPDX-License-Identifier: Apache-2.0
/*
 * talk.c - what several speakers need: lines, words, the box's time
 */
#include <strings.h>

#include "gate/sink/talk.h"

bool talk_line(struct talk *t, char line[TALK_LINE_MAX])
{
	const char *p = talk_bytes(t), *end = memchr(p, '\n', talk_left(t));
	size_t n = end ? (size_t)(end - p) : talk_left(t);

	if (!end && n < TALK_LINE_MAX)
		return false;
	talk_take(t, end ? n + 1 : n);
	if (n && p[n - 1] == '\r')
		n--;
	if (n >= TALK_LINE_MAX)
		n = TALK_LINE_MAX - 1;
	memcpy(line, p, n);
	line[n] = 0;
	return true;
}

bool talk_word(const char *line, const char *word, const char **rest)
{
	size_t n = strlen(word);

	if (strncasecmp(line, word, n) || (line[n] && line[n] != ' '))
		return false;
	if (rest)
		*rest = line + n + strspn(line + n, " ");
	return true;
}

enum looks talk_starts(const char *p, size_t n, const char *word)
{
	size_t k = strlen(word);

	if (strncasecmp(p, word, n < k ? n : k))
		return LOOKS_NO;
	return n < k ? LOOKS_SHORT : LOOKS_YES;
}

uint64_t talk_time(const struct sink_env *env)
{
	return clock_real_ns() + (env->box_time_ahead ? *env->box_time_ahead : 0);
}
