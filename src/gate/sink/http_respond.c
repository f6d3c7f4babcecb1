// SPDX-License-Identifier: Apache-2.0
/*
 * http_respond.c - plausible answers of a web server that knows nothing
 *
 * Theory of operation
 *
 * What a path's ending or the Accept field asks for decides what the answer is: the smallest valid
 * thing of that type. What could be run - programs, packages, scripts, proxy settings - is never
 * there: 404. An answer is chosen by the request alone, so that two runs get the same.
 */
#include <ctype.h>
#include <strings.h>
#include <time.h>

#include "gate/sink/answers.h"
#include "gate/sink/http_respond.h"

/* ---- bodies ------------------------------------------------------------------------------- */

static const char body_html[] = "<!DOCTYPE html>\n<html><head><title></title></head>"
				"<body></body></html>\n";
static const char body_json[] = "{}\n";
static const char body_xml[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response/>\n";
static const char body_text[] = "OK\n";
static const char body_empty[] = "";
static const char body_svg[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" "
			       "height=\"1\"/>\n";
static const char body_zip[] = "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"; /* + NUL: 22 bytes */
static const uint8_t body_gzip[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3,
				     3,	   0,	 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t body_tar[1024]; /* the two zero blocks that end an archive */
static const uint8_t body_gif[] = { 'G', 'I', 'F',  '8', '9', 'a', 1,	 0, 1, 0, 0xf0, 0, 0,
				    0,	 0,   0,    0,	 0,   0,   0x2c, 0, 0, 0, 0,	1, 0,
				    1,	 0,   0x40, 8,	 4,   0,   1,	 4, 4, 0, 0x3b };
static const uint8_t body_png[] = { 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00,
				    0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01,
				    0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f,
				    0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41,
				    0x54, 0x78, 0xda, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05,
				    0x00, 0x01, 0xe9, 0xfa, 0xdc, 0xd8, 0x00, 0x00, 0x00, 0x00,
				    0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82 };
/* An icon file with the PNG as its one image: header, one entry, then body_png */
static const uint8_t body_ico[] = {
	0,    0,    1,	  0,	1,    0,    1,	  1,	0,    0,    1,	  0,	32,   0,    68,
	0,    0,    0,	  22,	0,    0,    0,	  0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a,
	0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0b, 0x49,
	0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00, 0x01, 0xe9,
	0xfa, 0xdc, 0xd8, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82
};
/* Baseline, grey, one code in each Huffman table, all quantisers 1. */
static const uint8_t body_jpeg[] = {
	0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0,	 1, 1,	  0,	0,   1,	 0,    1,
	0,    0,    0xff, 0xdb, 0, 67, 0,   1,	 1,   1,   1,	 1, 1,	  1,	1,   1,	 1,    1,
	1,    1,    1,	  1,	1, 1,  1,   1,	 1,   1,   1,	 1, 1,	  1,	1,   1,	 1,    1,
	1,    1,    1,	  1,	1, 1,  1,   1,	 1,   1,   1,	 1, 1,	  1,	1,   1,	 1,    1,
	1,    1,    1,	  1,	1, 1,  1,   1,	 1,   1,   1,	 1, 1,	  1,	1,   1,	 1,    0xff,
	0xc0, 0,    11,	  8,	0, 1,  0,   1,	 1,   1,   0x11, 0, 0xff, 0xc4, 0,   20, 0,    1,
	0,    0,    0,	  0,	0, 0,  0,   0,	 0,   0,   0,	 0, 0,	  0,	0,   0,	 0xff, 0xc4,
	0,    20,   0x10, 1,	0, 0,  0,   0,	 0,   0,   0,	 0, 0,	  0,	0,   0,	 0,    0,
	0,    0,    0xff, 0xda, 0, 8,  1,   1,	 0,   0,   63,	 0, 0x3f, 0xff, 0xd9
};

struct body {
	const char *type;
	const void *p;
	size_t n;
};
#define TEXT_BODY(type, b)                                                                         \
	{                                                                                          \
		type, b, sizeof(b) - 1                                                             \
	}
#define BYTES_BODY(type, b)                                                                        \
	{                                                                                          \
		type, b, sizeof(b)                                                                 \
	}

enum body_id {
	HTML,
	JSON,
	XML,
	TEXT,
	SCRIPT,
	STYLE,
	SVG,
	ZIP,
	GZIP,
	TAR,
	GIF,
	PNG,
	ICO,
	JPEG,
	NONE
};
static const struct body bodies[] = {
	[HTML] = TEXT_BODY("text/html; charset=utf-8", body_html),
	[JSON] = TEXT_BODY("application/json", body_json),
	[XML] = TEXT_BODY("application/xml", body_xml),
	[TEXT] = TEXT_BODY("text/plain; charset=utf-8", body_text),
	/* nothing that could be run: an empty script is a valid one */
	[SCRIPT] = TEXT_BODY("text/javascript", body_empty),
	[STYLE] = TEXT_BODY("text/css", body_empty),
	[SVG] = TEXT_BODY("image/svg+xml", body_svg),
	[ZIP] = BYTES_BODY("application/zip", body_zip),
	[GZIP] = BYTES_BODY("application/gzip", body_gzip),
	[TAR] = BYTES_BODY("application/x-tar", body_tar),
	[GIF] = BYTES_BODY("image/gif", body_gif),
	[PNG] = BYTES_BODY("image/png", body_png),
	[ICO] = BYTES_BODY("image/vnd.microsoft.icon", body_ico),
	[JPEG] = BYTES_BODY("image/jpeg", body_jpeg),
	[NONE] = { NULL, "", 0 },
};

/* By the ending of the path. An ending that is not here, and is none of a web page's, is asked of
 * Accept. */
static const struct ending {
	const char *ending;
	enum body_id body; /* NONE: there is no such file */
} endings[] = {
	{ "html", HTML },
	{ "htm", HTML },
	{ "json", JSON },
	{ "xml", XML },
	{ "rss", XML },
	{ "txt", TEXT },
	{ "js", SCRIPT },
	{ "mjs", SCRIPT },
	{ "css", STYLE },
	{ "svg", SVG },
	{ "zip", ZIP },
	{ "gz", GZIP },
	{ "tgz", GZIP },
	{ "tar", TAR },
	{ "gif", GIF },
	{ "png", PNG },
	{ "ico", ICO },
	{ "jpg", JPEG },
	{ "jpeg", JPEG },
	/* what is run, installed, loaded, or steers */
	{ "exe", NONE },
	{ "dll", NONE },
	{ "sys", NONE },
	{ "msi", NONE },
	{ "msp", NONE },
	{ "cab", NONE },
	{ "scr", NONE },
	{ "com", NONE },
	{ "bat", NONE },
	{ "cmd", NONE },
	{ "ps1", NONE },
	{ "vbs", NONE },
	{ "hta", NONE },
	{ "jar", NONE },
	{ "apk", NONE },
	{ "sh", NONE },
	{ "py", NONE },
	{ "pl", NONE },
	{ "run", NONE },
	{ "bin", NONE },
	{ "dat", NONE },
	{ "so", NONE },
	{ "deb", NONE },
	{ "rpm", NONE },
	{ "dmg", NONE },
	{ "pkg", NONE },
	{ "7z", NONE },
	{ "rar", NONE },
	{ "xz", NONE },
	{ "bz2", NONE },
	{ "zst", NONE },
	{ "iso", NONE },
	{ "pac", NONE },
	{ "crx", NONE },
	{ "xpi", NONE },
	{ "swf", NONE },
	{ "lnk", NONE },
	{ "reg", NONE },
	{ "inf", NONE },
	{ "img", NONE },
	{ "elf", NONE },
	{ "wasm", NONE },
	{ "class", NONE },
	{ "node", NONE },
	{ "patch", NONE },
	{ "appimage", NONE },
	{ "nupkg", NONE },
	{ "msix", NONE },
	{ "appx", NONE },
};

static const struct accepted {
	const char *type;
	enum body_id body;
} accepted[] = {
	{ "text/html", HTML },
	{ "application/json", JSON },
	{ "application/xml", XML },
	{ "text/xml", XML },
	{ "text/plain", TEXT },
	{ "text/css", STYLE },
	{ "text/javascript", SCRIPT },
	{ "application/javascript", SCRIPT },
	{ "image/svg+xml", SVG },
	{ "image/png", PNG },
	{ "image/gif", GIF },
	{ "image/jpeg", JPEG },
	{ "image/avif", PNG },
	{ "image/webp", PNG },
	{ "image/*", PNG },
};

/* What systems fetch to see whether there is an Internet. */
static const struct probe {
	const char *path;
	int status;
	const char *body;
} probes[] = {
	{ "/generate_204", 204, "" },
	{ "/gen_204", 204, "" },
	{ "/connecttest.txt", 200, "Microsoft Connect Test" },
	{ "/ncsi.txt", 200, "Microsoft NCSI" },
	{ "/success.txt", 200, "success\n" },
	{ "/check_network_status.txt", 200, "NetworkManager is online\n" },
	{ "/robots.txt", 200, "User-agent: *\nDisallow:\n" },
};

/* ---- reading a request -------------------------------------------------------------------- */

struct str http_field(const struct http_request *rq, const char *name)
{
	size_t n = strlen(name);
	const char *p = rq->fields.p, *end = p + rq->fields.n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

		if ((size_t)(stop - p) > n && p[n] == ':' && !strncasecmp(p, name, n)) {
			const char *v = p + n + 1;

			while (v < stop && (*v == ' ' || *v == '\t'))
				v++;
			while (stop > v && isspace((unsigned char)stop[-1]))
				stop--;
			return (struct str){ v, (size_t)(stop - v) };
		}
		if (!nl)
			break;
		p = nl + 1;
	}
	return (struct str){ "", 0 };
}

bool http_has_token(struct str list, const char *token)
{
	size_t n = strlen(token);

	for (size_t i = 0; i < list.n;) {
		while (i < list.n && (list.p[i] == ' ' || list.p[i] == ',' || list.p[i] == '\t'))
			i++;
		if (list.n - i >= n && !strncasecmp(list.p + i, token, n) &&
		    (list.n - i == n || strchr(" \t,;", list.p[i + n])))
			return true;
		while (i < list.n && list.p[i] != ',')
			i++;
	}
	return false;
}

/* Path of the target without query; the target can be "http://host/path" (RFC 9112 3.2.2). */
static struct str path_of(struct str target)
{
	const char *at = NULL;
	size_t n;

	if (target.n && target.p[0] != '/') {
		for (size_t i = 0; i + 2 < target.n && !at; i++)
			if (!memcmp(target.p + i, "://", 3))
				at = target.p + i + 3;
		if (at) {
			at = memchr(at, '/', target.n - (size_t)(at - target.p));
			target.n = at ? target.n - (size_t)(at - target.p) : 0;
			target.p = at ? at : "";
		}
	}
	for (n = 0; n < target.n && target.p[n] != '?' && target.p[n] != '#'; n++)
		;
	return target.n ? (struct str){ target.p, n } : STR("/");
}

static const struct body *by_accept(struct str accept)
{
	size_t best = accept.n;
	const struct body *b = NULL;

	/* the one that is named first */
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		size_t n = strlen(accepted[i].type);

		for (size_t at = 0; at + n <= accept.n && at < best; at++) {
			if (strncasecmp(accept.p + at, accepted[i].type, n))
				continue;
			best = at;
			b = &bodies[accepted[i].body];
		}
	}
	return b;
}

/* NULL: it has no ending, or none of the table */
static const struct body *by_ending(struct str path)
{
	size_t dot = path.n;

	while (dot && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
		dot--;
	if (!dot || path.p[dot - 1] == '/')
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (strlen(endings[i].ending) == path.n - dot &&
		    !strncasecmp(path.p + dot, endings[i].ending, path.n - dot))
			return &bodies[endings[i].body];
	return NULL;
}

static const struct body *by_request(const struct http_request *rq, struct str path)
{
	const struct body *b = by_ending(path);

	if (!b)
		b = by_accept(http_field(rq, "accept"));
	return b ? b : &bodies[HTML];
}

/* of a served file that says nothing else */
static const char *type_of_path(struct str path)
{
	const struct body *b = by_ending(path);

	return b && b->type ? b->type : "application/octet-stream";
}

/* ---- writing the answer ------------------------------------------------------------------- */

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 416, "Range Not Satisfiable" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

const char *http_date(uint64_t ns, char buf[HTTP_DATE_MAX])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(buf, HTTP_DATE_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
		 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
		 tm.tm_hour, tm.tm_min, tm.tm_sec);
	return buf;
}

/* A value of the program that comes back: printable ASCII of it. */
static void echo_field(struct buf *out, const char *name, struct str v)
{
	buf_printf(out, "%s: ", name);
	for (size_t i = 0; i < v.n && i < 1024; i++)
		if (v.p[i] >= 0x20 && v.p[i] < 0x7f)
			buf_add(out, v.p + i, 1);
	buf_puts(out, "\r\n");
}

static void cors(const struct http_request *rq, struct buf *out)
{
	struct str origin = http_field(rq, "origin");
	struct str method = http_field(rq, "access-control-request-method");
	struct str headers = http_field(rq, "access-control-request-headers");

	if (!origin.n)
		return;
	echo_field(out, "access-control-allow-origin", origin);
	buf_puts(out, "access-control-allow-credentials: true\r\nvary: origin\r\n");
	if (method.n)
		echo_field(out, "access-control-allow-methods", method);
	if (headers.n)
		echo_field(out, "access-control-allow-headers", headers);
}

/* "bytes=FIRST-LAST", one range (RFC 9110 14.1.2). 1: cut; 0: no usable range; -1: outside */
static int cut_range(struct str range, struct str *body, size_t *ret_first)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool have_first = false, have_last = false;
	size_t i = 6;

	if (range.n < 7 || strncasecmp(range.p, "bytes=", 6))
		return 0;
	for (; i < range.n && isdigit((unsigned char)range.p[i]); i++) {
		first = first > UINT64_MAX / 20 ? first : first * 10 + (uint64_t)(range.p[i] - '0');
		have_first = true;
	}
	if (i == range.n || range.p[i++] != '-')
		return 0;
	if (i < range.n) {
		for (last = 0; i < range.n && isdigit((unsigned char)range.p[i]); i++)
			last = last > UINT64_MAX / 20 ? last
						      : last * 10 + (uint64_t)(range.p[i] - '0');
		have_last = true;
	}
	if (i != range.n || (!have_first && !have_last) || last < first)
		return 0;
	if (!have_first) { /* the last so many bytes */
		first = last < body->n ? body->n - last : 0;
		last = UINT64_MAX;
	}
	if (first >= body->n)
		return -1;
	if (last >= body->n)
		last = body->n - 1;
	*body = (struct str){ body->p + first, last - first + 1 };
	*ret_first = first;
	return 1;
}

static void give_body(const struct http_request *rq, struct http_response *rs, struct str body)
{
	size_t whole = body.n, first = 0;
	int cut = rs->status == 200 && !strcmp(rq->method, "GET")
			  ? cut_range(http_field(rq, "range"), &body, &first)
			  : 0;

	if (cut > 0) {
		rs->status = 206;
		buf_printf(&rs->fields, "content-range: bytes %zu-%zu/%zu\r\n", first,
			   first + body.n - 1, whole);
	} else if (cut < 0) {
		rs->status = 416;
		buf_printf(&rs->fields, "content-range: bytes */%zu\r\n", whole);
		body.n = 0;
	}
	if (rs->status != 204 && rs->status != 304 && rs->status >= 200)
		buf_printf(&rs->fields, "content-length: %zu\r\n", body.n);
	if (strcmp(rq->method, "HEAD") && rs->status != 204 && rs->status != 304)
		rs->body = body;
}

static void give(const struct http_request *rq, struct http_response *rs, int status,
		 const struct body *b)
{
	rs->status = status;
	if (b->type && status != 204)
		buf_printf(&rs->fields, "content-type: %s\r\n", b->type);
	if (status == 200)
		buf_puts(&rs->fields, "accept-ranges: bytes\r\n");
	give_body(rq, rs, (struct str){ b->p, b->n });
}

static bool is_method(const struct http_request *rq, const char *words)
{
	size_t n = strlen(rq->method);

	for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && !strncmp(p, rq->method, n))
			return true;
	return false;
}

static void give_by_type(const struct http_request *rq, struct http_response *rs, struct str path)
{
	const struct body *b;

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!str_eq(path, str_z(probes[i].path)))
			continue;
		b = &(struct body){ "text/plain", probes[i].body, strlen(probes[i].body) };
		give(rq, rs, probes[i].status, b);
		return;
	}
	if (str_eq(path, STR("/wpad.dat")))
		b = &bodies[NONE];
	else
		b = by_request(rq, path);
	give(rq, rs, b->type ? 200 : 404, b->type ? b : &bodies[HTML]);
}

/* What is posted is taken, and answered in its own language with nothing. */
static void take_post(const struct http_request *rq, struct http_response *rs)
{
	struct str type = http_field(rq, "content-type");
	const struct body *b = by_accept(http_field(rq, "accept"));

	if (http_has_token(type, "application/grpc") || str_starts(type, "application/grpc")) {
		rs->status = 200;
		buf_puts(&rs->fields, "content-type: application/grpc\r\ngrpc-status: 12\r\n"
				      "content-length: 0\r\n");
		return;
	}
	if (!b || b == &bodies[HTML])
		b = by_accept(type);
	give(rq, rs, 200, b ? b : &(struct body){ "text/plain", "", 0 });
}

static bool give_answer(const struct talk *t, const struct http_request *rq,
			struct http_response *rs)
{
	cleanup_free char *host = xstrndup(rq->host.p, rq->host.n);
	struct answer a;

	if (!answers_http(t->env->answers, *host ? host : t->host, t->facts->dst.port, rq->method,
			  rq->target, &a))
		return false;
	rs->status = a.status;
	buf_add(&rs->fields, a.fields.p, a.fields.n);
	if (!http_field(&(struct http_request){ .fields = a.fields }, "content-type").n && a.body.n)
		buf_printf(&rs->fields, "content-type: %s\r\n", type_of_path(path_of(rq->target)));
	give_body(rq, rs, a.body);
	return true;
}

void http_respond(const struct talk *t, const struct http_request *rq, struct http_response *ret)
{
	static const char all[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
	char date[HTTP_DATE_MAX];

	*ret = (struct http_response){ .body = { "", 0 } };
	buf_printf(&ret->fields, "date: %s\r\n", http_date(talk_time(t->env), date));
	if (give_answer(t, rq, ret))
		return;
	cors(rq, &ret->fields);
	if (is_method(rq, "GET HEAD")) {
		give_by_type(rq, ret, path_of(rq->target));
	} else if (is_method(rq, "POST")) {
		take_post(rq, ret);
	} else if (is_method(rq, "PUT PATCH DELETE")) {
		give(rq, ret, 204, &bodies[NONE]);
	} else if (is_method(rq, "OPTIONS")) {
		buf_printf(&ret->fields, "allow: %s\r\n", all);
		give(rq, ret, 204, &bodies[NONE]);
	} else {
		ret->status =
			is_method(rq, "TRACE PROPFIND MKCOL COPY MOVE LOCK UNLOCK") ? 405 : 501;
		buf_printf(&ret->fields, "allow: %s\r\ncontent-length: 0\r\n", all);
	}
}
