// SPDX-License-Identifier: Apache-2.0
/*
 * identity.c - who a box pretends to be: stable, plausible, and found nowhere else
 *
 * All but host name and machine id is spread out of one seed by SHA-256, so that a box that was
 * made before these values were kept gets the same ones each time it is opened: its seed is its
 * machine id. A new box has a seed of its own, which no program in it can know.
 *
 * Names are put together from parts: common enough to be believed, rare enough as a pair that
 * finding one in traffic means this box. No telephone number, mail domain or account that could be
 * somebody's is made up: mail addresses are below example.net (RFC 2606).
 */
#include "box/internal.h"

static const char *const given[] = {
	"Agnes",    "Albert", "Beatrix",  "Bernard", "Clara",	"Conrad", "Dorothea", "Edmund",
	"Elsa",	    "Ferdie", "Florence", "Gerard",  "Harriet", "Hubert", "Imogen",   "Jasper",
	"Kirsten",  "Lionel", "Mabel",	  "Magnus",  "Nora",	"Oswald", "Petra",    "Quentin",
	"Rosalind", "Rupert", "Sabine",	  "Silas",   "Theresa", "Ulrich", "Verena",   "Winston",
};
static const char *const family[] = {
	"Alder",  "Ash",  "Birken", "Black", "Bram",  "Cold",	"Dorn",	  "Eber",
	"Fal",	  "Fern", "Glen",   "Hasel", "Heath", "Holm",	"Kester", "Lang",
	"Linden", "Marl", "Nether", "Oaken", "Over",  "Raven",	"Rosen",  "Sed",
	"Silver", "Stan", "Thorn",  "Under", "Waver", "Wester", "Whit",	  "Wolfen",
};
static const char *const place[] = {
	"bach",	 "beck",  "berg", "bourne", "brook", "burn",  "combe", "dale",
	"feld",	 "fleth", "ford", "grave",  "hagen", "hurst", "kamp",  "leigh",
	"mark",	 "mere",  "more", "rode",   "shaw",  "sted",  "stock", "thorpe",
	"tofte", "wald",  "ward", "well",   "wick",  "worth", "by",    "holt",
};
/* makers of network cards in ordinary computers (IEEE registry, MA-L) */
static const char *const maker[] = { "00:1b:21", "00:e0:4c", "00:14:22", "3c:d9:2b",
				     "54:ee:75", "8c:16:45", "b4:2e:99", "d8:cb:8a" };

/* Bytes that follow from @seed for the purpose @what. */
static void spread(const char *seed, const char *what, uint8_t out[SHA256_LEN])
{
	cleanup_buf struct buf b = { 0 };

	buf_printf(&b, "belljar identity\n%s\n%s", what, seed);
	sha256_once(b.p, b.n, out);
}

void identity_word(const char *seed, const char *what, const char *letters, size_t n, char *out)
{
	size_t of = strlen(letters);
	uint8_t h[SHA256_LEN];

	spread(seed, what, h);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[h[i % SHA256_LEN] % of];
	out[n] = 0;
}

void identity_derive(struct box_info *in, const char *seed)
{
	static const char upper[] = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ";
	uint8_t h[SHA256_LEN];

	spread(seed, "token", h);
	hex_encode(h, 16, in->token);
	spread(seed, "person", h);
	snprintf(in->person, sizeof(in->person), "%s %s%s", given[h[0] % ARRAY_SIZE(given)],
		 family[h[1] % ARRAY_SIZE(family)], place[h[2] % ARRAY_SIZE(place)]);
	spread(seed, "mac", h);
	snprintf(in->mac, sizeof(in->mac), "%s:%02x:%02x:%02x", maker[h[0] % ARRAY_SIZE(maker)],
		 h[1], h[2], h[3]);
	/* as disks write it: one letter, then fourteen of letters and digits */
	in->disk_serial[0] = 'S';
	identity_word(seed, "disk", upper, 14, in->disk_serial + 1);
}

void identity_invent(struct box_info *in)
{
	static const char *const words[] = { "desk", "office", "work",	 "laptop",
					     "pc",   "front",  "studio", "home" };
	char r[64];

	random_hex(r, 8);
	snprintf(in->hostname, sizeof(in->hostname), "%s-%.4s",
		 words[(unsigned char)r[7] % ARRAY_SIZE(words)], r);
	/* a machine id is a random UUID: version 4, variant 1 (machine-id(5)) */
	random_hex(in->machine_id, 32);
	in->machine_id[12] = '4';
	in->machine_id[16] = "89ab"[in->machine_id[16] & 3];
	random_hex(r, 32);
	identity_derive(in, r);
}

bool identity_ok(const struct box_info *in)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = strlen(in->person);

	if (strlen(in->mac) != 17 || in->mac[0] == 0)
		return false;
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? in->mac[i] != ':' : !strchr(hex, in->mac[i]))
			return false;
	/* neither a group address nor none at all */
	if (strchr("13579bdf", in->mac[1]) || !strcmp(in->mac, "00:00:00:00:00:00"))
		return false;
	/* it becomes a field of /etc/passwd and a name in documents */
	if (n < 4 || !utf8_valid(in->person, n) || strpbrk(in->person, ":,\"\\<>&%"))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)in->person[i] < ' ' || in->person[i] == 0x7f)
			return false;
	n = strspn(in->disk_serial, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	if (n < 6 || in->disk_serial[n])
		return false;
	return strlen(in->token) == 32 && strspn(in->token, hex) == 32;
}

/* ---- asked for ---------------------------------------------------------------------------- */

static bool machine_id_ok(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

static bool set_field(struct box_info *in, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} field[] = {
		{ "hostname", in->hostname, sizeof(in->hostname) },
		{ "machine-id", in->machine_id, sizeof(in->machine_id) },
		{ "mac", in->mac, sizeof(in->mac) },
		{ "person", in->person, sizeof(in->person) },
		{ "disk", in->disk_serial, sizeof(in->disk_serial) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (!strcmp(field[i].key, key) && strlen(value) < field[i].size) {
			strcpy(field[i].to, value);
			return hostname_ok(in->hostname) && machine_id_ok(in->machine_id) &&
			       identity_ok(in);
		}
	return false;
}

int box_identify(struct box *box, const char *text, struct err *err)
{
	cleanup_free char *copy = xstrdup(text);
	struct box_info in = box->info;
	char *save = NULL;
	int nr = 0;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		nr++;
		if (!line[0] || line[0] == '#')
			continue;
		if (value)
			*value++ = 0;
		if (!value || !set_field(&in, line, value + strspn(value, " ")))
			return err_set_exit(err, EXIT_USAGE, EINVAL,
					    "box: no identity by '%.60s %.80s' (entry %d)", line,
					    value ? value : "", nr);
	}
	box->info = in;
	return boxjson_write(box, 0, err);
}
