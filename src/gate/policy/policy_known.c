// SPDX-License-Identifier: Apache-2.0
/*
 * policy_known.c - names and addresses that mean something to every policy
 *
 * Resolvers that are asked over TLS, HTTPS or QUIC hide names from whoever stands between. These
 * are the public ones that browsers, systems and well-known programs come with, as their operators
 * publish them. The table cannot be whole: a resolver of one's own is found by its port, its ALPN,
 * or what it speaks when TLS is opened.
 *
 * Special addresses: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).
 */
#include "gate/policy/policy_inner.h"

/* A name stands for all below it as well. Sorted: they are searched by bisection. */
static const char *const names[] = {
	"ahadns.net",
	"blahdns.com",
	"canadianshield.cira.ca",
	"cloudflare-dns.com",
	"common.dot.dns.yandex.net",
	"dns-family.adguard.com",
	"dns-unfiltered.adguard.com",
	"dns.aa.net.uk",
	"dns.adguard-dns.com",
	"dns.adguard.com",
	"dns.alidns.com",
	"dns.cloudflare.com",
	"dns.controld.com",
	"dns.digitale-gesellschaft.ch",
	"dns.google",
	"dns.google.com",
	"dns.hostux.net",
	"dns.mullvad.net",
	"dns.nextdns.io",
	"dns.njal.la",
	"dns.opendns.com",
	"dns.pub",
	"dns.quad9.net",
	"dns.sb",
	"dns.switch.ch",
	"dns.twnic.tw",
	"dns.umbrella.com",
	"dns0.eu",
	"dns10.quad9.net",
	"dns11.quad9.net",
	"dns12.quad9.net",
	"dns9.quad9.net",
	"doh.360.cn",
	"doh.applied-privacy.net",
	"doh.cleanbrowsing.org",
	"doh.dns.apple.com",
	"doh.familyshield.opendns.com",
	"doh.ffmuc.net",
	"doh.libredns.gr",
	"doh.opendns.com",
	"doh.pub",
	"doh.sandbox.opendns.com",
	"doh.sb",
	"doh.tiar.app",
	"doh.umbrella.com",
	"doh.xfinity.com",
	"dot.360.cn",
	"dot.ffmuc.net",
	"dot.libredns.gr",
	"dot.pub",
	"family-filter-dns.cleanbrowsing.org",
	"family.adguard-dns.com",
	"family.dot.dns.yandex.net",
	"freedns.controld.com",
	"joindns4.eu",
	"jp.tiar.app",
	"mask-h2.icloud.com",
	"mask.icloud.com",
	"max.rethinkdns.com",
	"one.one.one.one",
	"ordns.he.net",
	"public.dns.iij.jp",
	"safe.dot.dns.yandex.net",
	"security-filter-dns.cleanbrowsing.org",
	"sky.rethinkdns.com",
	"unfiltered.adguard-dns.com",
	"wikimedia-dns.org",
};

static const char *after_dot(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? dot + 1 : NULL;
}

const char *known_resolver_name(const char *name)
{
	for (const char *at = name; at; at = after_dot(at)) {
		size_t low = 0, high = ARRAY_SIZE(names);

		while (low < high) {
			size_t mid = (low + high) / 2;
			int c = strcmp(at, names[mid]);

			if (!c)
				return names[mid];
			if (c < 0)
				high = mid;
			else
				low = mid + 1;
		}
	}
	return NULL;
}

struct net {
	uint8_t ip[16];
	uint8_t bits;
	const char *what;
};

/* clang-format off */
static const struct net resolvers4[] = {
	{ { 8, 8, 8, 8 }, 32 },		  { { 8, 8, 4, 4 }, 32 },
	{ { 1, 1, 1, 1 }, 32 },		  { { 1, 0, 0, 1 }, 32 },
	{ { 1, 1, 1, 2 }, 31 },		  { { 1, 0, 0, 2 }, 31 },
	{ { 9, 9, 9, 9 }, 32 },		  { { 9, 9, 9, 10 }, 31 },
	{ { 9, 9, 9, 12 }, 32 },	  { { 149, 112, 112, 0 }, 24 },
	{ { 208, 67, 222, 0 }, 24 },	  { { 208, 67, 220, 0 }, 24 },
	{ { 94, 140, 14, 0 }, 24 },	  { { 94, 140, 15, 0 }, 24 },
	{ { 45, 90, 28, 0 }, 24 },	  { { 45, 90, 30, 0 }, 24 },
	{ { 185, 228, 168, 0 }, 24 },	  { { 185, 228, 169, 0 }, 24 },
	{ { 194, 242, 2, 0 }, 24 },	  { { 76, 76, 2, 0 }, 24 },
	{ { 76, 76, 10, 0 }, 24 },	  { { 185, 222, 222, 222 }, 32 },
	{ { 45, 11, 45, 11 }, 32 },	  { { 223, 5, 5, 5 }, 32 },
	{ { 223, 6, 6, 6 }, 32 },	  { { 119, 29, 29, 29 }, 32 },
	{ { 1, 12, 12, 12 }, 32 },	  { { 120, 53, 53, 53 }, 32 },
	{ { 77, 88, 8, 0 }, 24 },	  { { 193, 110, 81, 0 }, 24 },
	{ { 185, 253, 5, 0 }, 24 },	  { { 74, 82, 42, 42 }, 32 },
};
static const struct net resolvers6[] = {
	{ { 0x20, 0x01, 0x48, 0x60, 0x48, 0x60 }, 64 },	/* Google */
	{ { 0x26, 0x06, 0x47, 0x00, 0x47, 0x00 }, 64 },	/* Cloudflare */
	{ { 0x26, 0x20, 0x00, 0xfe }, 64 },		/* Quad9 */
	{ { 0x26, 0x20, 0x01, 0x19, 0x00, 0x35 }, 64 },	/* OpenDNS */
	{ { 0x26, 0x20, 0x01, 0x19, 0x00, 0x53 }, 64 },
	{ { 0x2a, 0x10, 0x50, 0xc0 }, 64 },		/* AdGuard */
	{ { 0x2a, 0x07, 0xa8, 0xc0 }, 64 },		/* NextDNS */
	{ { 0x2a, 0x07, 0xa8, 0xc1 }, 64 },
	{ { 0x2a, 0x07, 0xe3, 0x40 }, 64 },		/* Mullvad */
	{ { 0x26, 0x06, 0x1a, 0x40 }, 64 },		/* Control D */
	{ { 0x24, 0x00, 0x32, 0x00 }, 48 },		/* AliDNS */
	{ { 0x24, 0x00, 0x32, 0x00, 0xba, 0xba }, 48 },
	{ { 0x2a, 0x0f, 0xfc, 0x80 }, 64 },		/* dns0.eu */
	{ { 0x2a, 0x0f, 0xfc, 0x81 }, 64 },
};

#define LOOPBACK "this machine's own loopback"
#define PRIVATE	 "an address of private networks"
#define LINK	 "an address of the local link"
#define GROUP	 "a multicast or broadcast address"
#define NOBODY	 "an address that nobody can have"

static const struct net special4[] = {
	{ { 0 }, 8, LOOPBACK }, /* 0.0.0.0 is connected to the machine itself */
	{ { 127 }, 8, LOOPBACK },
	{ { 10 }, 8, PRIVATE },
	{ { 172, 16 }, 12, PRIVATE },
	{ { 192, 168 }, 16, PRIVATE },
	{ { 100, 64 }, 10, PRIVATE },	/* RFC 6598, also overlay networks */
	{ { 169, 254 }, 16, LINK },	/* also metadata services of clouds */
	{ { 192, 0, 0 }, 24, NOBODY },
	{ { 192, 88, 99 }, 24, NOBODY },
	{ { 224 }, 4, GROUP },
	{ { 255, 255, 255, 255 }, 32, GROUP },
	{ { 240 }, 4, NOBODY },
};
static const struct net special6[] = {
	{ { 0 }, 127, LOOPBACK },	/* :: and ::1 */
	{ { 0xfe, 0x80 }, 10, LINK },
	{ { 0xfe, 0xc0 }, 10, PRIVATE },	/* site-local, RFC 3879 */
	{ { 0xfc }, 7, PRIVATE },
	{ { 0xff }, 8, GROUP },
	{ { 0x01 }, 64, NOBODY },	/* 100::/64, RFC 6666 */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, PRIVATE }, /* RFC 8215 */
};
static const struct net sinkholes4 = { { 198, 18 }, 15 };
static const struct net sinkholes6 = { { 0x20, 0x01, 0x00, 0x02 }, 48 };

/* prefix of an IPv6 address that carries an IPv4 one, and where */
static const struct {
	struct net net;
	uint8_t at;
	uint8_t flip;
} carriers[] = {
	{ { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12, 0 },	/* NAT64, RFC 6052 */
	{ { { 0x20, 0x02 }, 16 }, 2, 0 },		/* 6to4, RFC 3056 */
	{ { { 0x20, 0x01, 0, 0 }, 32 }, 12, 0xff },	/* Teredo, RFC 4380 */
	{ { { 0 }, 96 }, 12, 0 },			/* IPv4-compatible, RFC 4291 2.5.5.1 */
	{ { { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96 }, 12, 0 }, /* translated, RFC 2765 */
};
/* clang-format on */

static bool in_net(const uint8_t *ip, const struct net *n)
{
	int whole = n->bits / 8, rest = n->bits % 8;

	return !memcmp(ip, n->ip, whole) && (!rest || !((ip[whole] ^ n->ip[whole]) >> (8 - rest)));
}

bool known_resolver_address(const struct addr *a)
{
	const struct net *n = a->v6 ? resolvers6 : resolvers4;
	size_t k = a->v6 ? ARRAY_SIZE(resolvers6) : ARRAY_SIZE(resolvers4);

	for (size_t i = 0; i < k; i++)
		if (in_net(a->ip, &n[i]))
			return true;
	return false;
}

bool address_sinkhole(const struct addr *a)
{
	return in_net(a->ip, a->v6 ? &sinkholes6 : &sinkholes4);
}

static const char *special_of(const struct net *n, size_t k, const uint8_t *ip)
{
	for (size_t i = 0; i < k; i++)
		if (in_net(ip, &n[i]))
			return n[i].what;
	return NULL;
}

const char *address_special(const struct addr *a)
{
	const char *what;

	if (!a->v6)
		return special_of(special4, ARRAY_SIZE(special4), a->ip);
	what = special_of(special6, ARRAY_SIZE(special6), a->ip);
	for (size_t i = 0; i < ARRAY_SIZE(carriers) && !what; i++) {
		uint8_t v4[4];

		if (!in_net(a->ip, &carriers[i].net))
			continue;
		for (int k = 0; k < 4; k++)
			v4[k] = a->ip[carriers[i].at + k] ^ carriers[i].flip;
		what = special_of(special4, ARRAY_SIZE(special4), v4);
		if (!what && in_net(v4, &sinkholes4))
			what = NOBODY;
	}
	return what;
}
