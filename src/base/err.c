// SPDX-License-Identifier: Apache-2.0
/*
 * err.c - one failure, one sentence; cleanup and memory helpers
 */
#include <stdarg.h>

#include "base/base.h"

/* Sentences quote names from anywhere: keep the terminal safe. Bytes above 0x7f pass when the whole
 * is UTF-8. */
static void put_escaped(char *out, size_t room, const char *s)
{
	size_t n = strlen(s), o = 0;
	bool utf8 = utf8_valid(s, n);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (o + 5 > room)
			break;
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			o += (size_t)snprintf(out + o, room - o, "\\x%02x", c);
		else
			out[o++] = (char)c;
	}
	out[o] = 0;
}

static int err_vset(struct err *err, enum exit_status exit, int code, const char *fmt, va_list ap)
{
	char raw[ERR_MSG_MAX];
	int n;

	code = abs(code);
	if (!err)
		return code ? -code : -EIO;
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	if (n < 0)
		n = 0;
	if (n >= (int)sizeof(raw))
		n = sizeof(raw) - 1;
	if (code)
		snprintf(raw + n, sizeof(raw) - (size_t)n, ": %s", strerror(code));
	put_escaped(err->msg, sizeof(err->msg), raw);
	err->code = code ? code : EIO;
	err->exit = exit;
	return -err->code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	enum exit_status exit = EXIT_INTERNAL;
	va_list ap;
	int rc;

	if (abs(code) == ENOSPC || abs(code) == EDQUOT)
		exit = EXIT_NO_SPACE;
	va_start(ap, fmt);
	rc = err_vset(err, exit, code, fmt, ap);
	va_end(ap);
	return rc;
}

int err_set_exit(struct err *err, enum exit_status exit, int code, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_vset(err, exit, code, fmt, ap);
	va_end(ap);
	return rc;
}

void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

void cleanup_close_p(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void cleanup_file_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void *must(void *p)
{
	if (!p) {
		static const char msg[] = "belljar: out of memory\n";

		if (write(2, msg, sizeof(msg) - 1) < 0)
			abort();
		_exit(EXIT_INTERNAL);
	}
	return p;
}

void *xmalloc(size_t n)
{
	return must(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return must(realloc(p, n ? n : 1));
}

char *xstrdup(const char *s)
{
	return must(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return must(s);
}
