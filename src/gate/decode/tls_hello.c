// SPDX-License-Identifier: Apache-2.0
/*
 * tls_hello.c - ClientHello and ServerHello, and JA4
 *
 * JA4 (FoxIO, technical_details/JA4.md) is made of what a ClientHello offers, without GREASE:
 * transport, version, SNI, counts and ALPN in clear, then hashes of the sorted suites, and of the
 * sorted extensions with the signature algorithms as they come.
 */
#include "gate/decode/be.h"
#include "gate/decode/tls.h"

/* IANA, "TLS ExtensionType Values" */
enum {
	EXT_SNI = 0,
	EXT_SIGNATURES = 13,
	EXT_ALPN = 16,
	EXT_VERSIONS = 43,
	EXT_ECH = 0xfe0d,
	EXT_ESNI = 0xffce
};

/* what is offered, in order, without GREASE. A hello of TLS_HELLO_MAX holds no more of any kind. */
#define LIST_MAX (TLS_HELLO_MAX / 2)
struct list {
	uint16_t v[LIST_MAX];
	unsigned n;
};

struct offers {
	struct list suites, extensions, signatures;
	bool sni, has_alpn;
	uint16_t highest;    /* of supported_versions */
	const uint8_t *alpn; /* first */
	unsigned alpn_n;
};

static void add(struct list *l, uint16_t v)
{
	if (!tls_is_grease(v) && l->n < LIST_MAX)
		l->v[l->n++] = v;
}

static void add_all(struct list *l, struct rd r)
{
	while (rd_left(&r) >= 2)
		add(l, rd_be16(&r));
}

/* ---- JA4 ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void hash_list(struct sha256 *h, const struct list *l)
{
	char text[8];

	for (unsigned i = 0; i < l->n; i++) {
		snprintf(text, sizeof(text), i ? ",%04x" : "%04x", l->v[i]);
		sha256_add(h, text, strlen(text));
	}
}

#define PART 13 /* twelve digits */
static void hash_part(const struct list *sorted, const struct list *then, char out[PART])
{
	struct sha256 *h = sha256_new();
	uint8_t sum[SHA256_LEN];

	hash_list(h, sorted);
	if (then && then->n) {
		sha256_add(h, "_", 1);
		hash_list(h, then);
	}
	sha256_end(h, sum);
	sha256_free(h);
	if (sorted->n)
		hex_encode(sum, (PART - 1) / 2, out);
	else
		strcpy(out, "000000000000");
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* first and last character of the first ALPN value, of its hex digits if either is no letter */
static void alpn_part(const struct offers *o, char out[3])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t first, last;

	strcpy(out, "00");
	if (!o->alpn_n)
		return;
	first = o->alpn[0];
	last = o->alpn[o->alpn_n - 1];
	if (is_alnum(first) && is_alnum(last)) {
		out[0] = (char)first;
		out[1] = (char)last;
	} else {
		out[0] = hex[first >> 4];
		out[1] = hex[last & 15];
	}
}

static const char *version_part(uint16_t version)
{
	static const struct {
		uint16_t version;
		const char *text;
	} parts[] = {
		{ 0x0304, "13" }, { 0x0303, "12" }, { 0x0302, "11" },
		{ 0x0301, "10" }, { 0x0300, "s3" }, { 0x0002, "s2" },
		{ 0xfeff, "d1" }, { 0xfefd, "d2" }, { 0xfefc, "d3" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].version == version)
			return parts[i].text;
	return "00";
}

static void ja4(struct offers *o, uint16_t version, bool quic, char out[40])
{
	unsigned suites = o->suites.n, extensions = o->extensions.n, kept = 0;
	char alpn[3], b[PART], c[PART];

	alpn_part(o, alpn);
	for (unsigned i = 0; i < extensions; i++)
		if (o->extensions.v[i] != EXT_SNI && o->extensions.v[i] != EXT_ALPN)
			o->extensions.v[kept++] = o->extensions.v[i];
	o->extensions.n = kept;
	qsort(o->suites.v, suites, sizeof(o->suites.v[0]), compare);
	qsort(o->extensions.v, kept, sizeof(o->extensions.v[0]), compare);
	hash_part(&o->suites, NULL, b);
	hash_part(&o->extensions, &o->signatures, c);
	snprintf(out, 40, "%c%s%c%02u%02u%s_%s_%s", quic ? 'q' : 't', version_part(version),
		 o->sni ? 'd' : 'i', suites > 99 ? 99 : suites, extensions > 99 ? 99 : extensions,
		 alpn, b, c);
}

/* ---- hellos ------------------------------------------------------------------------------- */

/* The host name (RFC 6066 3), if it can be one: bytes that no name has would be seen by nobody who
 * compares names. */
static void read_sni(struct rd r, char sni[NAME_MAX_DNS + 1])
{
	struct rd list = rd_sub(&r, rd_be16(&r));
	uint8_t type = rd_u8(&list);
	struct rd name = rd_sub(&list, rd_be16(&list));
	size_t n = rd_left(&name);

	sni[0] = 0;
	if (name.bad || type != 0 || !n || n > NAME_MAX_DNS)
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = name.p[i];

		if (c <= ' ' || c >= 0x7f) {
			sni[0] = 0;
			return;
		}
		sni[i] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
	}
	if (sni[n - 1] == '.')
		n--;
	sni[n] = 0;
}

/* protocol names (RFC 7301 3.1), comma between them; as many as fit */
static void read_alpn(struct rd r, char out[128])
{
	struct rd list = rd_sub(&r, rd_be16(&r));
	size_t k = 0;

	out[0] = 0;
	while (rd_left(&list)) {
		struct rd name = rd_sub(&list, rd_u8(&list));
		size_t n = rd_left(&name);

		if (!n || k + n + 2 > 128)
			break;
		if (k)
			out[k++] = ',';
		for (size_t i = 0; i < n; i++)
			out[k++] = name.p[i] > ' ' && name.p[i] < 0x7f && name.p[i] != ','
					   ? (char)name.p[i]
					   : '?';
		out[k] = 0;
	}
}

static void first_alpn(struct rd r, struct offers *o)
{
	struct rd list = rd_sub(&r, rd_be16(&r));
	struct rd name = rd_sub(&list, rd_u8(&list));

	if (name.bad)
		return;
	o->alpn = name.p;
	o->alpn_n = (unsigned)rd_left(&name);
}

static void read_versions(struct rd r, struct offers *o)
{
	struct rd list = rd_sub(&r, rd_u8(&r));

	while (rd_left(&list) >= 2) {
		uint16_t v = rd_be16(&list);

		if (!tls_is_grease(v) && v > o->highest)
			o->highest = v;
	}
}

static void read_extension(uint16_t type, struct rd data, struct offers *o, struct hello *ret)
{
	add(&o->extensions, type);
	switch (type) {
	case EXT_SNI:
		if (!o->sni)
			read_sni(data, ret->sni);
		o->sni = true;
		break;
	case EXT_ALPN:
		if (!o->has_alpn) {
			first_alpn(data, o);
			read_alpn(data, ret->alpn);
		}
		o->has_alpn = true;
		break;
	case EXT_VERSIONS:
		read_versions(data, o);
		break;
	case EXT_SIGNATURES:
		add_all(&o->signatures, rd_sub(&data, rd_be16(&data)));
		break;
	case EXT_ECH:
	case EXT_ESNI: /* as it was before the RFC: draft-ietf-tls-esni-06 */
		ret->ech = true;
		break;
	default:
		break;
	}
}

int tls_client_hello(const uint8_t *p, size_t n, bool quic, struct hello *ret)
{
	struct rd r = { p, p + n, false }, extensions;
	cleanup_free struct offers *o = NULL;
	uint16_t version;

	if (n > TLS_HELLO_MAX)
		return -EBADMSG;
	o = xmalloc(sizeof(*o));
	*ret = (struct hello){ .quic = quic };
	o->suites.n = o->extensions.n = o->signatures.n = 0;
	o->sni = o->has_alpn = false;
	o->highest = 0;
	o->alpn_n = 0;
	version = rd_be16(&r);
	rd_bytes(&r, 32);	 /* random */
	rd_bytes(&r, rd_u8(&r)); /* session id */
	add_all(&o->suites, rd_sub(&r, rd_be16(&r)));
	rd_bytes(&r, rd_u8(&r)); /* compression */
	if (r.bad)
		return -EBADMSG;
	extensions = rd_left(&r) ? rd_sub(&r, rd_be16(&r)) : (struct rd){ p, p, false };
	while (rd_left(&extensions)) {
		uint16_t type = rd_be16(&extensions);
		struct rd data = rd_sub(&extensions, rd_be16(&extensions));

		if (!extensions.bad)
			read_extension(type, data, o, ret);
	}
	if (r.bad || extensions.bad)
		return -EBADMSG;
	ret->version = o->highest ? o->highest : version;
	ja4(o, ret->version, quic, ret->ja4);
	return 0;
}

int tls_server_hello(const uint8_t *p, size_t n, struct server_hello *ret)
{
	/* SHA-256 of "HelloRetryRequest", RFC 8446 4.1.3 */
	static const uint8_t retry[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
					   0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					   0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
					   0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	struct rd r = { p, p + n, false }, extensions;
	const uint8_t *random;

	*ret = (struct server_hello){ 0 };
	ret->version = rd_be16(&r);
	random = rd_bytes(&r, 32);
	rd_bytes(&r, rd_u8(&r)); /* session id */
	ret->cipher = rd_be16(&r);
	rd_u8(&r); /* compression */
	if (r.bad)
		return -EBADMSG;
	ret->retry = !memcmp(random, retry, sizeof(retry));
	extensions = rd_left(&r) ? rd_sub(&r, rd_be16(&r)) : (struct rd){ p, p, false };
	while (rd_left(&extensions)) {
		uint16_t type = rd_be16(&extensions);
		struct rd data = rd_sub(&extensions, rd_be16(&extensions));

		if (type == EXT_VERSIONS && rd_left(&data) == 2)
			ret->version = rd_be16(&data);
		else if (type == EXT_ALPN)
			read_alpn(data, ret->alpn);
	}
	return r.bad || extensions.bad ? -EBADMSG : 0;
}

/* ---- events ------------------------------------------------------------------------------- */

#define AT(NAME) EV_AT(TLS, NAME)

static struct val text_or_null(const char *z)
{
	return V_Z(*z ? z : NULL);
}

void tls_event_client(const struct flow_facts *f, const struct hello *h, char buf[16],
		      struct event *ev)
{
	*ev = (struct event){ .kind = EV_TLS };
	ev->v[AT(OP)] = V_Z("client-hello");
	ev->v[AT(FLOW)] = V_INT(f->id);
	ev->v[AT(VERSION)] = V_Z(tls_version_name(h->version, buf));
	ev->v[AT(SNI)] = text_or_null(h->sni);
	ev->v[AT(ALPN)] = text_or_null(h->alpn);
	ev->v[AT(JA4)] = V_Z(h->ja4);
	ev->v[AT(QUIC)] = V_INT(h->quic);
	ev->v[AT(ECH)] = V_INT(h->ech);
}

void tls_event_server(const struct flow_facts *f, const struct server_hello *h, bool quic,
		      char buf[32], struct event *ev)
{
	*ev = (struct event){ .kind = EV_TLS };
	ev->v[AT(OP)] = V_Z("server-hello");
	ev->v[AT(FLOW)] = V_INT(f->id);
	ev->v[AT(VERSION)] = V_Z(tls_version_name(h->version, buf));
	ev->v[AT(CIPHER)] = V_Z(tls_cipher_name(h->cipher, buf + 16));
	ev->v[AT(ALPN)] = text_or_null(h->alpn);
	ev->v[AT(QUIC)] = V_INT(quic);
	if (h->retry)
		ev->v[AT(VERDICT)] = V_Z("retry");
}
