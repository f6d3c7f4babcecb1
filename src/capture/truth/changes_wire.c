// SPDX-License-Identifier: Apache-2.0
/*
 * changes_wire.c - the records between the walk and its parent
 *
 * A record is a varint length and as many bytes: kind (one byte), then fields in the order of
 * rec_change() and its kin. Numbers are varints, strings a varint length and bytes, a hash one
 * byte (0 absent, 1 present) and 32 bytes. The last record is REC_END with the number of changes;
 * without it the walk was cut off.
 *
 * Invariant: the decoder believes nothing: lengths are checked against what is there, numbers
 * against their field's range, enums against their tables, and all records must be used up.
 */
#include <sys/stat.h>

#include "capture/truth/changes.h"

static const char *const type_names[] = { "file",   "dir",  "symlink", "fifo",
					  "socket", "char", "block" };

/* ---- writing ------------------------------------------------------------------------------ */

static void put_sha(struct buf *b, const char *hex)
{
	uint8_t sum[1 + SHA256_LEN] = { 1 };

	if (hex[0] && !hex_decode(hex, 2 * (size_t)SHA256_LEN, sum + 1))
		buf_add(b, sum, sizeof(sum));
	else
		buf_add(b, "", 1);
}

int rec_flush(struct rec_out *o)
{
	if (!o->failed && o->buf.n)
		o->failed = write_full(o->fd, o->buf.p, o->buf.n);
	o->written += o->buf.n;
	o->buf.n = 0;
	return o->failed;
}

static void put_record(struct rec_out *o)
{
	struct buf *rec = &o->rec;

	buf_number(&o->buf, rec->n);
	buf_add(&o->buf, rec->p, rec->n);
	rec->n = 0; /* its room is used again */
	if (o->buf.n >= 1 << 16)
		rec_flush(o);
}

static uint8_t type_number(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (!strcmp(type_names[i], type))
			return (uint8_t)i;
	return 0;
}

void rec_change(struct rec_out *o, const struct delta *d)
{
	const struct change *c = &d->c;
	const uint8_t head[] = { REC_CHANGE, (uint8_t)c->op, type_number(c->type), d->program,
				 c->mtime_set };
	const uint64_t num[] = { c->mode,
				 c->uid,
				 c->gid,
				 c->size,
				 c->mode_before,
				 c->uid_before,
				 c->gid_before,
				 d->dev,
				 d->ino,
				 d->nlink,
				 (uint64_t)d->c.ctime_ns,
				 (uint64_t)c->mtime_ns };

	buf_add(&o->rec, head, sizeof(head));
	for (size_t i = 0; i < ARRAY_SIZE(num); i++)
		buf_number(&o->rec, num[i]);
	put_sha(&o->rec, c->sha256);
	put_sha(&o->rec, c->sha256_before);
	buf_str(&o->rec, c->path);
	buf_str(&o->rec, c->detail);
	put_record(o);
}

void rec_sha(struct rec_out *o, uint64_t index, const char *hex)
{

	buf_add(&o->rec, &(uint8_t){ REC_SHA }, 1);
	buf_number(&o->rec, index);
	put_sha(&o->rec, hex);
	put_record(o);
}

void rec_time_set(struct rec_out *o, uint64_t index)
{
	buf_add(&o->rec, &(uint8_t){ REC_TIME_SET }, 1);
	buf_number(&o->rec, index);
	put_record(o);
}

void rec_limit(struct rec_out *o, const char *what, uint64_t value, struct str path)
{

	buf_add(&o->rec, &(uint8_t){ REC_LIMIT }, 1);
	buf_str(&o->rec, str_z(what));
	buf_number(&o->rec, value);
	buf_str(&o->rec, path);
	put_record(o);
}

void rec_fail(struct rec_out *o, int code, struct str sentence)
{

	buf_add(&o->rec, &(uint8_t){ REC_FAIL }, 1);
	buf_number(&o->rec, (uint64_t)(code < 0 ? -code : code));
	buf_str(&o->rec, sentence);
	put_record(o);
}

void rec_end(struct rec_out *o, uint64_t changes)
{

	buf_add(&o->rec, &(uint8_t){ REC_END }, 1);
	buf_number(&o->rec, changes);
	put_record(o);
}

/* ---- reading ------------------------------------------------------------------------------ */

static void get_sha(struct rd *r, char out[SHA256_HEX])
{
	uint8_t present = rd_u8(r);
	const uint8_t *sum = present == 1 ? rd_bytes(r, SHA256_LEN) : NULL;

	out[0] = 0;
	if (present > 1)
		r->bad = true;
	else if (sum)
		hex_encode(sum, SHA256_LEN, out);
}

static bool path_ok(struct str p)
{
	return p.n && p.p[0] == '/' && !memchr(p.p, 0, p.n);
}

static struct delta *set_add(struct changeset *set)
{
	if (set->n == set->cap) {
		set->cap = set->cap ? set->cap * 2 : 256;
		set->v = xrealloc(set->v, set->cap * sizeof(*set->v));
	}
	return &set->v[set->n++];
}

static bool get_change(struct rd *r, struct changeset *set)
{
	struct delta d = { 0 };
	uint8_t op = rd_u8(r), type = rd_u8(r), program = rd_u8(r), mtime_set = rd_u8(r);

	if (op > CHANGE_META || type >= ARRAY_SIZE(type_names) || program > 1 || mtime_set > 1 ||
	    set->n >= CHANGES_MAX)
		return false;
	d.c.op = (enum change_op)op;
	d.c.type = type_names[type];
	d.program = program;
	d.c.mtime_set = mtime_set;
	d.c.mode = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.uid = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.gid = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.size = rd_number(r, INT64_MAX);
	d.c.mode_before = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.uid_before = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.gid_before = (uint32_t)rd_number(r, UINT32_MAX);
	d.dev = rd_number(r, UINT64_MAX);
	d.ino = rd_number(r, UINT64_MAX);
	d.nlink = (uint32_t)rd_number(r, UINT32_MAX);
	d.c.ctime_ns = (int64_t)rd_number(r, INT64_MAX);
	d.c.mtime_ns = (int64_t)rd_number(r, UINT64_MAX);
	get_sha(r, d.c.sha256);
	get_sha(r, d.c.sha256_before);
	d.c.path = rd_str(r, TREE_PATH_MAX);
	d.c.detail = rd_str(r, CHANGES_DETAIL_MAX);
	if (r->bad || !path_ok(d.c.path))
		return false;
	*set_add(set) = d;
	return true;
}

static bool get_late_sha(struct rd *r, struct changeset *set)
{
	uint64_t index = rd_number(r, CHANGES_MAX);
	char hex[SHA256_HEX];

	get_sha(r, hex);
	if (r->bad || index >= set->n)
		return false;
	memcpy(set->v[index].c.sha256, hex, sizeof(hex));
	return true;
}

static bool get_time_set(struct rd *r, struct changeset *set)
{
	uint64_t index = rd_number(r, CHANGES_MAX);

	if (r->bad || index >= set->n)
		return false;
	set->v[index].c.mtime_set = true;
	return true;
}

static bool get_limit(struct rd *r, struct changeset *set)
{
	struct limit_hit hit = { .what = rd_str(r, 64) };

	hit.value = rd_number(r, UINT64_MAX);
	hit.path = rd_str(r, TREE_PATH_MAX);
	if (r->bad || set->nlimits >= CHANGES_LIMITS_MAX)
		return false;
	set->limit[set->nlimits++] = hit;
	/* a file without a hash is in the list all the same */
	if (!str_eq(hit.what, STR("hashed bytes")))
		set->cut = true;
	return true;
}

static int get_fail(struct rd *r, struct err *err)
{
	int code = (int)rd_number(r, 4095);
	struct str s = rd_str(r, 512);

	if (r->bad)
		return -EBADMSG;
	return err_set(err, code, "changes: %.*s", (int)s.n, s.p);
}

static int bad(struct err *err)
{
	return err_set_exit(err, EXIT_INTERNAL, EBADMSG, "changes: read what the walk found");
}

int changeset_decode(const uint8_t *p, size_t n, struct changeset *ret, struct err *err)
{
	struct rd all = { .p = p, .end = p + n };

	while (all.p < all.end) {
		uint64_t len = rd_number(&all, CHANGES_BYTES_MAX);
		const uint8_t *rec = rd_bytes(&all, len);
		struct rd r = { .p = rec, .end = rec ? rec + len : NULL };
		bool ok = false;

		if (!rec)
			return bad(err);
		switch (rd_u8(&r)) {
		case REC_CHANGE:
			ok = get_change(&r, ret);
			break;
		case REC_SHA:
			ok = get_late_sha(&r, ret);
			break;
		case REC_TIME_SET:
			ok = get_time_set(&r, ret);
			break;
		case REC_LIMIT:
			ok = get_limit(&r, ret);
			break;
		case REC_FAIL: {
			int rc = get_fail(&r, err);

			return rc == -EBADMSG ? bad(err) : rc;
		}
		case REC_END:
			if (rd_number(&r, CHANGES_MAX) != ret->n || r.bad || r.p != r.end ||
			    all.p != all.end)
				return bad(err);
			return 0;
		default:
			break;
		}
		if (!ok || r.p != r.end)
			return bad(err);
	}
	return bad(err); /* no REC_END: the walk was cut off */
}
