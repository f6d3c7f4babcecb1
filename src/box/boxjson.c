// SPDX-License-Identifier: Apache-2.0
/*
 * boxjson.c - box.json, what is known of a box beside its files
 *
 * Written whole and renamed into place. Read as hostile, since an imported box brings one: every
 * field is required, checked for type, length and range, and none is unknown. Format 1 had no
 * `identity`: such a box gets one that follows from its machine id.
 */
#include <jansson.h>

#include "box/internal.h"

#define FORMAT 2

bool hostname_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < 64 && !s[n] && s[0] != '-';
}

static bool machine_id_ok(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

static bool base_ok(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-"); /* 'HASH-single' too */

	return n < 128 && !s[n];
}

static bool root_ok(const char *s)
{
	return !*s || (s[0] == '/' && strlen(s) < 4096);
}

static json_t *encode_snapshots(const struct box_info *in)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < in->nsnapshots; i++) {
		const struct box_snapshot *s = &in->snapshot[i];

		json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "name", s->name, "layer",
						      (json_int_t)s->layer, "wall_ns",
						      (json_int_t)s->wall_ns));
	}
	return list;
}

int boxjson_write(const struct box *box, unsigned renew, struct err *err)
{
	const struct box_info *in = &box->info;
	json_t *overlays = json_array(), *j;
	char *text;
	int rc;

	for (int i = 0; i < box->noverlays; i++)
		json_array_append_new(overlays, json_pack("{s:s,s:b}", "at", box->overlay[i].at,
							  "host", (int)box->overlay[i].host));
	j = json_pack("{s:i,s:s,s:I,s:s,s:s,s:o,s:s,s:s,s:{s:b,s:I,s:I},s:I,s:I,s:o,s:o}", "format",
		      FORMAT, "name", in->name, "created_ns", (json_int_t)in->created_ns,
		      "hostname", in->hostname, "machine_id", in->machine_id, "identity",
		      json_pack("{s:s,s:s,s:s,s:s}", "mac", in->mac, "person", in->person,
				"disk_serial", in->disk_serial, "token", in->token),
		      "base", in->base, "root", in->root, "idmap", "range", (int)in->range,
		      "uid_start", (json_int_t)in->range_start, "gid_start",
		      (json_int_t)in->range_gid_start, "top", (json_int_t)in->top, "renew",
		      (json_int_t)renew, "snapshots", encode_snapshots(in), "overlays", overlays);
	if (!j)
		return err_set(err, EINVAL, "box: encode box.json of '%s'", in->name);
	text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(j);
	if (!text)
		return err_set(err, ENOMEM, "box: encode box.json of '%s'", in->name);
	rc = write_file_at(box->fd, "box.json", 0600, text, strlen(text));
	free(text);
	return rc ? err_set(err, rc, "box: write '%s/box.json'", box->path) : 0;
}

static bool take(char *to, size_t room, const char *from)
{
	size_t n = strlen(from);

	if (n >= room)
		return false;
	memcpy(to, from, n + 1);
	return true;
}

static const char *read_snapshots(const json_t *list, struct box_info *in)
{
	const json_t *s;
	size_t i;

	if (json_array_size(list) >= BOX_LAYERS_MAX)
		return "too many snapshots";
	json_array_foreach(list, i, s)
	{
		struct box_snapshot *to = &in->snapshot[i];
		json_int_t layer, wall;
		const char *name;

		if (json_unpack((json_t *)s, "{s:s,s:I,s:I!}", "name", &name, "layer", &layer,
				"wall_ns", &wall) ||
		    box_name_check(name, NULL) || !take(to->name, sizeof(to->name), name))
			return "a snapshot";
		if (layer < 1 || layer >= in->top || (i && layer <= in->snapshot[i - 1].layer) ||
		    wall < 0)
			return "a snapshot's layer";
		to->layer = (unsigned)layer;
		to->wall_ns = (uint64_t)wall;
	}
	in->nsnapshots = (unsigned)json_array_size(list);
	return NULL;
}

static const char *read_overlays(const json_t *list, struct box *box)
{
	const json_t *o;
	size_t i;

	if (json_array_size(list) < 1 || json_array_size(list) > BOX_MOUNTS_MAX)
		return "number of overlays";
	json_array_foreach(list, i, o)
	{
		struct overlay_at *to = &box->overlay[i];
		const char *at;
		int host;

		if (json_unpack((json_t *)o, "{s:s,s:b!}", "at", &at, "host", &host) ||
		    !take(to->at, sizeof(to->at), at) || !overlay_at_ok(at, host))
			return "an overlay's place";
		to->host = host;
		if ((i == 0) != !strcmp(at, "/") || (box->info.root[0] && i))
			return "order of overlays";
		for (size_t k = 0; k < i; k++)
			if (!strcmp(box->overlay[k].at, at))
				return "an overlay twice";
	}
	box->noverlays = (int)json_array_size(list);
	return NULL;
}

static const char *read_identity(const json_t *j, int format, struct box_info *in)
{
	const char *mac, *person, *serial, *token;

	if (!j != (format == 1))
		return "its identity";
	if (!j) {
		identity_derive(in, in->machine_id);
		return NULL;
	}
	if (json_unpack((json_t *)j, "{s:s,s:s,s:s,s:s!}", "mac", &mac, "person", &person,
			"disk_serial", &serial, "token", &token) ||
	    !take(in->mac, sizeof(in->mac), mac) || !take(in->person, sizeof(in->person), person) ||
	    !take(in->disk_serial, sizeof(in->disk_serial), serial) ||
	    !take(in->token, sizeof(in->token), token) || !identity_ok(in))
		return "its identity";
	return NULL;
}

/* What is wrong with it, or NULL. */
static const char *read_fields(const json_t *j, struct box *box, unsigned *ret_renew)
{
	const char *name, *host, *id, *base, *root, *bad;
	json_int_t created, us, gs, top, renew;
	struct box_info *in = &box->info;
	json_t *snaps, *overlays, *identity = NULL;
	int format = 0, range;

	if (!json_unpack((json_t *)j, "{s:i}", "format", &format) && format > FORMAT)
		return "its format (made by a newer belljar?)";
	if (json_unpack((json_t *)j,
			"{s:i,s:s,s:I,s:s,s:s,s?o,s:s,s:s,s:{s:b,s:I,s:I!},s:I,s:I,s:o,s:o!}",
			"format", &format, "name", &name, "created_ns", &created, "hostname", &host,
			"machine_id", &id, "identity", &identity, "base", &base, "root", &root,
			"idmap", "range", &range, "uid_start", &us, "gid_start", &gs, "top", &top,
			"renew", &renew, "snapshots", &snaps, "overlays", &overlays))
		return "its fields";
	if (format < 1)
		return "its format";
	if ((*name && box_name_check(name, NULL)) || !take(in->name, sizeof(in->name), name))
		return "the name";
	if (!hostname_ok(host) || !take(in->hostname, sizeof(in->hostname), host))
		return "the host name";
	if (!machine_id_ok(id) || !take(in->machine_id, sizeof(in->machine_id), id))
		return "the machine id";
	bad = read_identity(identity, format, in);
	if (bad)
		return bad;
	if (!base_ok(base) || !take(in->base, sizeof(in->base), base))
		return "the base";
	if (!root_ok(root) || !take(in->root, sizeof(in->root), root) || !*root == !*base)
		return "the root folder";
	if (us < 0 || us > UINT32_MAX || gs < 0 || gs > UINT32_MAX || created < 0)
		return "a number";
	if (top < 1 || top > BOX_LAYERS_MAX || renew < 0 || renew > top)
		return "the layers";
	in->created_ns = (uint64_t)created;
	in->range = range;
	in->range_start = (uint32_t)us;
	in->range_gid_start = (uint32_t)gs;
	in->top = (unsigned)top;
	*ret_renew = (unsigned)renew;
	bad = json_is_array(snaps) ? read_snapshots(snaps, in) : "snapshots";
	return bad ? bad : json_is_array(overlays) ? read_overlays(overlays, box) : "overlays";
}

int boxjson_parse(const char *text, size_t n, struct box *box, unsigned *ret_renew, struct err *err)
{
	const char *bad = "no JSON object";
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(j))
		bad = read_fields(j, box, ret_renew);
	json_decref(j);
	if (bad)
		return err_say(err, EXIT_CORRUPT, EBADMSG, "box: '%s/box.json' is damaged (%s)",
			       box->path, bad);
	return 0;
}

int boxjson_read(struct box *box, unsigned *ret_renew, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t n;
	int rc = read_file_at(box->fd, "box.json", BOXJSON_MAX, &text, &n);

	if (rc == -ENOENT || rc == -EFBIG || rc == -ELOOP)
		return err_say(err, EXIT_CORRUPT, EBADMSG, "box: '%s/box.json' is %s", box->path,
			       rc == -EFBIG ? "too big" : "missing");
	if (rc)
		return err_set_exit(err, EXIT_UNREADABLE, rc, "box: read '%s/box.json'", box->path);
	return boxjson_parse(text, n, box, ret_renew, err);
}
