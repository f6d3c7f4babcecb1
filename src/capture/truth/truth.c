// SPDX-License-Identifier: Apache-2.0
/*
 * truth.c - at the end of a run: what the layer holds, written next to what was intended
 *
 * Order: walk the layer (truth/changes_walk.c), take off what earlier runs recorded of it
 * (truth/history.c), find who did it (truth/join.c), then append CHANGE, OBJECT, AUTOSTART and
 * MISMATCH events. Renames are paired last but one, so that each half has found its caller; a
 * move is written with the caller of its new name.
 *
 * Whatever fails, the journal gets a GAP event of source 'truth' that says what is missing.
 */
#include <sys/stat.h>

#include "capture/autostart/autostart.h"
#include "capture/truth/truth.h"

struct truth {
	struct box *box;
	struct box_run *run;
	struct journal *j;
	struct history history;
	struct changeset set;
	struct join join;
	bool limit_told;
	struct as_wanted *wanted;
	struct known *seen; /* autostart entries that differ now */
	struct err *err;
};

static int append(struct truth *t, struct event *ev)
{
	ev->t = UINT64_MAX;
	return journal_append(t->j, ev, NULL, t->err);
}

static int append_limit(struct truth *t, struct str what, uint64_t value, const char *detail,
			struct str path)
{
	struct event ev = { .kind = EV_LIMIT };
	cleanup_buf struct buf text = { 0 };

	buf_puts(&text, detail);
	if (path.n) {
		buf_puts(&text, ": ");
		buf_add(&text, path.p, path.n);
	}
	ev.v[EV_AT(LIMIT, WHAT)] = V_STR(what);
	ev.v[EV_AT(LIMIT, VALUE)] = V_INT(value);
	ev.v[EV_AT(LIMIT, MECHANISM)] = V_Z("belljar's own bound");
	ev.v[EV_AT(LIMIT, DETAIL)] = V_STR(((struct str){ text.p, text.n }));
	return append(t, &ev);
}

static int append_gap(struct truth *t, const char *detail)
{
	struct event ev = { .kind = EV_GAP };

	ev.v[EV_AT(GAP, SOURCE)] = V_Z("truth");
	ev.v[EV_AT(GAP, FROM)] = V_INT(0);
	ev.v[EV_AT(GAP, TO)] = V_INT(journal_now(t->j));
	ev.v[EV_AT(GAP, DETAIL)] = V_Z(detail);
	return append(t, &ev);
}

/* ---- changes ------------------------------------------------------------------------------ */

/* Who gives a program rights is more than who wrote it. */
static uint32_t writer_of(const struct tracked *tr, bool rights)
{
	return rights && tr->rights_proc ? tr->rights_proc : tr->proc;
}

static int write_change(struct truth *t, const struct tracked *tr)
{
	const struct change *c = &tr->d->c;
	struct event ev = { .kind = EV_CHANGE };

	ev.v[EV_AT(CHANGE, OP)] = V_Z(change_op_name[c->op]);
	ev.v[EV_AT(CHANGE, PATH)] = V_STR(c->path);
	if (c->op == CHANGE_MOVED)
		ev.v[EV_AT(CHANGE, PATH2)] = V_STR(c->path2);
	ev.v[EV_AT(CHANGE, TYPE)] = V_Z(c->type);
	/* mode 0 without a type: not looked at ("as it was before") */
	if (c->mode) {
		ev.v[EV_AT(CHANGE, MODE)] = V_INT(c->mode & 07777);
		ev.v[EV_AT(CHANGE, UID)] = V_INT(c->uid);
		ev.v[EV_AT(CHANGE, GID)] = V_INT(c->gid);
	}
	if (S_ISREG(c->mode))
		ev.v[EV_AT(CHANGE, SIZE)] = V_INT(c->size);
	if (c->sha256[0])
		ev.v[EV_AT(CHANGE, SHA256)] = V_Z(c->sha256);
	if (tr->how == TOUCH_PROC)
		ev.v[EV_AT(CHANGE, WRITER)] = V_INT(writer_of(tr, c->mode & (S_ISUID | S_ISGID)));
	else if (tr->how == TOUCH_OURS)
		ev.v[EV_AT(CHANGE, WRITER)] = V_INT(0);
	if (c->detail.n)
		ev.v[EV_AT(CHANGE, DETAIL)] = V_STR(c->detail);
	if (S_ISREG(c->mode) && c->op != CHANGE_REMOVED)
		ev.v[EV_AT(CHANGE, MTIME)] = V_INT(c->mtime_ns);
	if (c->mtime_set)
		ev.v[EV_AT(CHANGE, MTIME_SET)] = V_INT(1);
	return append(t, &ev);
}

static int write_changes(struct truth *t)
{
	int rc = 0;

	for (size_t i = 0; i < t->set.n && !rc; i++)
		if (!t->set.v[i].gone)
			rc = write_change(t, &t->join.v[i]);
	for (size_t i = 0; i < t->set.nlimits && !rc; i++)
		rc = append_limit(t, t->set.limit[i].what, t->set.limit[i].value,
				  "the walk over what changed stopped here", t->set.limit[i].path);
	if (!rc && t->set.cut)
		rc = append_gap(t, "not all changes of files are listed: a limit was reached");
	if (!rc && t->join.aliases_cut)
		rc = append_limit(t, STR("names"), TRUTH_ALIASES_MAX,
				  "not every name that calls used was resolved",
				  (struct str){ "", 0 });
	return rc;
}

/* ---- objects ------------------------------------------------------------------------------ */

/** struct object_rec - what the child says of one file */
struct object_rec {
	uint64_t index, size;
	uint8_t kept;
	char sha256[SHA256_HEX];
};

static bool is_object(const struct delta *d)
{
	return !d->gone && d->program && S_ISREG(d->c.mode) && d->c.op != CHANGE_REMOVED;
}

static int objects_in_child(void *p, int fd)
{
	struct truth *t = p;
	struct tree *tree = NULL;
	int rc = tree_open(t->box, t->run, TREE_NOW, &tree, NULL);

	for (size_t i = 0; i < t->set.n && !rc; i++) {
		struct object_rec rec = { .index = i };
		const char *known = t->set.v[i].c.sha256;
		cleanup_close int file = -1;
		bool kept = false;

		if (!is_object(&t->set.v[i]))
			continue;
		file = tree_open_file(tree, t->set.v[i].c.path);
		if (file < 0 || object_keep(box_dirfd(t->box), file, known[0] ? known : NULL,
					    rec.sha256, &rec.size, &kept, NULL))
			rec.sha256[0] = 0;
		rec.kept = kept;
		rc = write_full(fd, &rec, sizeof(rec));
	}
	return rc;
}

static int write_object(struct truth *t, const struct object_rec *rec)
{
	struct event ev = { .kind = EV_OBJECT };
	int rc;

	if (known_get(t->history.objects, rec->sha256, SHA256_HEX - 1))
		return 0;
	known_put(&t->history.objects, rec->sha256, SHA256_HEX - 1);
	ev.v[EV_AT(OBJECT, SHA256)] = V_Z(rec->sha256);
	ev.v[EV_AT(OBJECT, SIZE)] = V_INT(rec->size);
	ev.v[EV_AT(OBJECT, PATH)] = V_STR(t->set.v[rec->index].c.path);
	ev.v[EV_AT(OBJECT, KEPT)] = V_INT(rec->kept);
	rc = append(t, &ev);
	if (rc || rec->kept || t->limit_told)
		return rc;
	t->limit_told = true;
	return append_limit(t, STR("objects"),
			    rec->size > OBJECT_SIZE_MAX ? OBJECT_SIZE_MAX : OBJECTS_TOTAL_MAX,
			    "programs are told by their hash only from here on",
			    t->set.v[rec->index].c.path);
}

static int write_objects(struct truth *t)
{
	cleanup_free char *bytes = NULL;
	size_t n = 0, missed = 0;
	int rc;

	rc = call_in_box(t->box, t->run, objects_in_child, t, CHANGES_BYTES_MAX, &bytes, &n,
			 t->err);
	if (rc)
		return rc;
	if (n % sizeof(struct object_rec))
		return err_set(t->err, EBADMSG, "truth: read what was kept of programs");
	for (size_t at = 0; at < n && !rc; at += sizeof(struct object_rec)) {
		struct object_rec rec;
		uint8_t sum[SHA256_LEN];

		memcpy(&rec, bytes + at, sizeof(rec));
		rec.sha256[SHA256_HEX - 1] = 0;
		if (rec.index >= t->set.n || rec.kept > 1 || rec.size > INT64_MAX)
			return err_set(t->err, EBADMSG, "truth: read what was kept of programs");
		if (hex_decode(rec.sha256, strlen(rec.sha256), sum) ||
		    strlen(rec.sha256) != SHA256_HEX - 1)
			missed++;
		else
			rc = write_object(t, &rec);
	}
	if (!rc && missed) {
		char text[96];

		snprintf(text, sizeof(text), "%zu programs could not be read and kept", missed);
		rc = append_gap(t, text);
	}
	return rc;
}

/* ---- autostart ---------------------------------------------------------------------------- */

static void add_field(struct buf *b, struct str s)
{
	uint64_t n = s.n;

	buf_add(b, &n, sizeof(n));
	buf_add(b, s.p, s.n);
}

static struct str get_field(struct rd *r)
{
	uint64_t n = rd_u64(r);
	const uint8_t *p = rd_bytes(r, n);

	return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

static int append_autostart(struct truth *t, const char *op, struct str class, struct str place,
			    struct str name, struct str command, struct str program,
			    const char *technique)
{
	struct event ev = { .kind = EV_AUTOSTART };
	struct tracked *w = join_find(&t->join, place);

	if (!w && program.n) /* the place is as it was: its program is what changed */
		w = join_find(&t->join, program);
	ev.v[EV_AT(AUTOSTART, OP)] = V_Z(op);
	ev.v[EV_AT(AUTOSTART, CLASS)] = V_STR(class);
	ev.v[EV_AT(AUTOSTART, PLACE)] = V_STR(place);
	ev.v[EV_AT(AUTOSTART, NAME)] = V_STR(name);
	ev.v[EV_AT(AUTOSTART, COMMAND)] = V_STR(command);
	if (program.n)
		ev.v[EV_AT(AUTOSTART, PROGRAM)] = V_STR(program);
	if (w && w->how == TOUCH_PROC)
		ev.v[EV_AT(AUTOSTART, WRITER)] = V_INT(writer_of(w, str_eq(class, STR("set-id"))));
	else if (w && w->how == TOUCH_OURS)
		ev.v[EV_AT(AUTOSTART, WRITER)] = V_INT(0);
	ev.v[EV_AT(AUTOSTART, TECHNIQUE)] = V_Z(technique);
	return append(t, &ev);
}

/** struct told - an entry as an earlier run told it */
struct told {
	struct str op, command, program;
};

/* The next of the entries of one class, place and name. */
static bool next_told(struct rd *r, struct told *ret)
{
	if (r->bad || r->p >= r->end)
		return false;
	ret->op = get_field(r);
	ret->command = get_field(r);
	ret->program = get_field(r);
	return !r->bad;
}

static struct rd values_of(const struct known *k)
{
	return (struct rd){ .p = (const uint8_t *)k->value,
			    .end = (const uint8_t *)k->value + k->value_n };
}

/* belljar itself has put another program where this one was: a packaged one, or an entry's whose
 * place is as it was. */
static bool only_ours(struct truth *t, const struct autostart_entry *e)
{
	const struct tracked *place = join_find(&t->join, e->place);
	const struct tracked *w = place;

	if (strcmp(e->class->name, "replaced-program") != 0) {
		if (place || !e->program.n)
			return false;
		w = join_find(&t->join, e->program);
	}
	return w && w->how == TOUCH_OURS;
}

static int autostart_entry(void *ctx, const struct autostart_entry *e)
{
	struct truth *t = ctx;
	enum change_op op =
		e->op == CHANGE_ADDED || e->op == CHANGE_REMOVED ? e->op : CHANGE_CHANGED;
	struct str op_name = str_z(change_op_name[op]);
	cleanup_buf struct buf key = { 0 };
	const struct tracked *w;
	struct known *k;

	add_field(&key, str_z(e->class->name));
	add_field(&key, e->place);
	add_field(&key, e->name);
	known_put(&t->seen, key.p, key.n);
	w = join_find(&t->join, e->place);
	if ((w && w->how == TOUCH_SETUP) || only_ours(t, e))
		return 0;
	k = known_get(t->history.autostart, key.p, key.n);
	if (k) {
		struct rd values = values_of(k);
		struct told told;

		while (next_told(&values, &told))
			if (str_eq(told.op, op_name) && str_eq(told.command, e->command) &&
			    str_eq(told.program, e->program))
				return 0;
	}
	return append_autostart(t, change_op_name[op], str_z(e->class->name), e->place, e->name,
				e->command, e->program, e->class->technique);
}

/* Entries that an earlier run on this layer changed, and that are as before the layer now. */
static int autostart_back(struct truth *t, const struct known *k)
{
	struct rd key = { .p = (const uint8_t *)k->key, .end = (const uint8_t *)k->key + k->n };
	struct str class = get_field(&key), place = get_field(&key), name = get_field(&key);
	const struct autostart_class *c = autostart_classes();
	struct rd values = values_of(k);
	struct told told;
	int rc = 0;

	while (c->name && !str_eq(class, str_z(c->name)))
		c++;
	if (key.bad || !c->name)
		return 0;
	/* a removed row for what is not there needs no second one */
	while (!rc && next_told(&values, &told))
		if (str_eq(told.op, STR("added")))
			rc = append_autostart(t, "removed", class, place, name, told.command,
					      told.program, c->technique);
	return rc;
}

static int write_autostart(struct truth *t)
{
	struct known *k;
	int rc = autostart_of(t->box, t->run, t->history.layer - 1, t->wanted, autostart_entry, t,
			      t->err);

	for (k = t->history.autostart; k && !rc; k = k->hh.next)
		if (!known_get(t->seen, k->key, k->n))
			rc = autostart_back(t, k);
	return rc;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int compare(struct truth *t, struct journal_reader *r, unsigned layer, uint32_t run_nr)
{
	int rc = history_read(r, layer, run_nr, &t->history, t->err);

	if (!rc)
		rc = changeset_read(t->box, t->run, layer - 1, &t->set, t->err);
	if (rc)
		return rc;
	t->wanted = autostart_wanted(&t->set);
	history_apply(&t->history, &t->set);
	t->join = (struct join){ .box = t->box, .run = t->run, .h = &t->history, .set = &t->set };
	rc = join_events(&t->join, r, t->err);
	if (!rc)
		rc = mismatch_record(&t->join, r, t->j, run_nr, t->err);
	if (!rc) {
		changeset_pair(&t->set);
		rc = write_changes(t);
	}
	if (!rc)
		rc = write_objects(t);
	if (!rc)
		rc = write_autostart(t);
	return rc;
}

int truth_record(struct box *box, struct box_run *run, struct journal *j, uint32_t run_nr,
		 struct err *err)
{
	cleanup_free char *db = xasprintf("%s/journal.db", box_path(box));
	struct truth t = { .box = box, .run = run, .j = j };
	struct journal_reader *r = NULL;
	struct err local = { 0 };
	int rc;

	t.err = &local;
	rc = journal_sync(j, &local);
	if (!rc)
		rc = journal_read_open(db, &r, &local);
	if (!rc)
		rc = compare(&t, r, box_get_info(box)->top, run_nr);
	journal_read_close(r);
	join_free(&t.join);
	known_free(&t.seen);
	as_wanted_free(t.wanted);
	history_free(&t.history);
	changeset_free(&t.set);
	if (rc) {
		struct err first = local;

		append_gap(&t, first.msg);
		/* more differs than there is room for: the gap says so, and nothing has failed */
		if (rc == -E2BIG)
			return 0;
		if (err)
			*err = first;
	}
	return rc;
}
