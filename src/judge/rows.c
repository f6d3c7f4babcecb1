// SPDX-License-Identifier: Apache-2.0
/*
 * rows.c - events become rows of Sigma's categories
 *
 * A process's *picture* is its last exec: image, command line, user. A process that has not
 * executed anything yet has that of the process it was forked from, as in the journal's views.
 */
#include <uthash.h>

#include "judge/rows.h"

/* ---- the taxonomy ------------------------------------------------------------------------- */

#define WHO "Image", "CommandLine", "ProcessId", "User"

static const char *const fields[ROW_CATS][ROW_FIELDS_MAX] = {
	[ROW_PROCESS_CREATION] = { WHO, "CurrentDirectory", "Hashes", "sha256", "ParentImage",
				   "ParentCommandLine", "ParentProcessId", "ParentUser", "Script",
				   "ScriptSha256", "Cause" },
	[ROW_FILE_EVENT] = { WHO, "TargetFilename" },
	[ROW_FILE_CHANGE] = { WHO, "TargetFilename", "Details" },
	[ROW_FILE_DELETE] = { WHO, "TargetFilename" },
	[ROW_FILE_RENAME] = { WHO, "TargetFilename", "SourceFilename" },
	[ROW_NETWORK_CONNECTION] = { WHO, "DestinationIp", "DestinationPort", "Protocol",
				     "Initiated", "DestinationIsIpv6", "DestinationHostname",
				     "SourceIp", "SourcePort" },
	[ROW_DNS_QUERY] = { WHO, "QueryName", "QueryStatus", "QueryResults", "record_type" },
	[ROW_IMAGE_LOAD] = { WHO, "ImageLoaded", "Hashes" },
	[ROW_REGISTRY_ADD] = { WHO, "EventType", "TargetObject" },
	[ROW_REGISTRY_DELETE] = { WHO, "EventType", "TargetObject" },
	[ROW_REGISTRY_EVENT] = { WHO, "EventType", "TargetObject", "Details", "NewName" },
	[ROW_REGISTRY_RENAME] = { WHO, "EventType", "TargetObject", "NewName" },
	[ROW_REGISTRY_SET] = { WHO, "EventType", "TargetObject", "Details" },
	[ROW_PROXY] = { WHO, "cs-method", "cs-host", "c-uri", "c-useragent", "r-dns", "dst_port" },
};

enum { F_IMAGE, F_COMMAND_LINE, F_PID, F_USER, F_FIRST };

static const char *const names[ROW_CATS] = {
	[ROW_PROCESS_CREATION] = "process_creation",
	[ROW_FILE_EVENT] = "file_event",
	[ROW_FILE_CHANGE] = "file_change",
	[ROW_FILE_DELETE] = "file_delete",
	[ROW_FILE_RENAME] = "file_rename",
	[ROW_NETWORK_CONNECTION] = "network_connection",
	[ROW_DNS_QUERY] = "dns_query",
	[ROW_IMAGE_LOAD] = "image_load",
	[ROW_REGISTRY_ADD] = "registry_add",
	[ROW_REGISTRY_DELETE] = "registry_delete",
	[ROW_REGISTRY_EVENT] = "registry_event",
	[ROW_REGISTRY_RENAME] = "registry_rename",
	[ROW_REGISTRY_SET] = "registry_set",
	[ROW_PROXY] = "proxy",
};

const char *row_cat_name(enum row_cat cat)
{
	return cat < ROW_CATS ? names[cat] : NULL;
}

enum row_cat row_cat_find(const char *category)
{
	for (int c = 0; c < ROW_CATS; c++)
		if (!strcmp(names[c], category))
			return (enum row_cat)c;
	return ROW_CATS;
}

int row_fields(enum row_cat cat)
{
	int n = 0;

	while (n < ROW_FIELDS_MAX && fields[cat][n])
		n++;
	return n;
}

int row_field(enum row_cat cat, const char *field)
{
	if (cat >= ROW_CATS)
		return ROW_NONE;
	for (int i = 0; i < ROW_FIELDS_MAX && fields[cat][i]; i++)
		if (!strcmp(fields[cat][i], field))
			return i;
	return ROW_NONE;
}

const char *row_field_name(enum row_cat cat, int field)
{
	return cat < ROW_CATS && field >= 0 && field < ROW_FIELDS_MAX ? fields[cat][field] : NULL;
}

/* ---- processes ---------------------------------------------------------------------------- */

/** struct picture - what a process is; shared by those that were forked from it */
struct picture {
	unsigned refs;
	struct str image, command_line;
	char user[24];
	size_t nuser;
};

struct process {
	uint32_t key, parent;
	char pid[24];
	size_t npid;
	struct picture *is;
	UT_hash_handle hh;
};

/** struct rows - processes so far, and texts that rows need and events do not hold */
struct rows {
	struct process *procs;
	uint64_t wall; /* of the run's begin, by the box's date */
	char hashes[SHA256_HEX + 8], port[24], port2[24];
};

static void drop(struct picture *p)
{
	if (!p || --p->refs)
		return;
	free((void *)p->image.p);
	free((void *)p->command_line.p);
	free(p);
}

static struct str keep(const struct val *v)
{
	struct str s = { 0 };

	if (v->type != VAL_TEXT)
		return s;
	s.p = memcpy(xmalloc(v->s.n + 1), v->s.p, v->s.n);
	s.n = v->s.n;
	return s;
}

static struct process *process_get(const struct rows *r, uint32_t key)
{
	struct process *p = NULL;

	HASH_FIND_INT(r->procs, &key, p);
	return p;
}

static struct process *process_make(struct rows *r, uint32_t key)
{
	struct process *p = process_get(r, key);

	if (p || HASH_COUNT(r->procs) >= ROW_PROCS_MAX)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->key = key;
	HASH_ADD_INT(r->procs, key, p);
	return p;
}

static bool text_is(const struct val *v, const char *z)
{
	return v->type == VAL_TEXT && v->s.n == strlen(z) && !memcmp(v->s.p, z, v->s.n);
}

static void process_event(struct rows *r, const struct event *ev)
{
	const struct val *pid = &ev->v[EV_AT(PROCESS, PID)];
	const struct val *parent = &ev->v[EV_AT(PROCESS, PARENT)];
	const struct val *uid = &ev->v[EV_AT(PROCESS, UID)];
	struct process *p = process_make(r, ev->proc), *from;

	if (!p)
		return;
	if (pid->type == VAL_INT)
		p->npid = (size_t)snprintf(p->pid, sizeof(p->pid), "%lld", (long long)pid->i);
	if (parent->type == VAL_INT)
		p->parent = (uint32_t)parent->i;
	if (text_is(&ev->v[EV_AT(PROCESS, OP)], "exec")) {
		drop(p->is);
		p->is = xcalloc(1, sizeof(*p->is));
		p->is->refs = 1;
		p->is->image = keep(&ev->v[EV_AT(PROCESS, IMAGE)]);
		p->is->command_line = keep(&ev->v[EV_AT(PROCESS, COMMAND_LINE)]);
		if (uid->type == VAL_INT)
			p->is->nuser =
				(size_t)snprintf(p->is->user, sizeof(p->is->user),
						 uid->i ? "%lld" : "root", (long long)uid->i);
	} else if (text_is(&ev->v[EV_AT(PROCESS, OP)], "fork") && !p->is) {
		from = process_get(r, p->parent);
		p->is = from ? from->is : NULL;
		if (p->is)
			p->is->refs++;
	}
}

/* ---- rows --------------------------------------------------------------------------------- */

static struct str text(const struct event *ev, int at)
{
	const struct val *v = &ev->v[at];

	if (v->type != VAL_TEXT)
		return (struct str){ 0 };
	return (struct str){ v->s.p ? v->s.p : "", v->s.n };
}

static struct str number(const struct val *v, char room[24])
{
	if (v->type != VAL_INT)
		return (struct str){ 0 };
	return (struct str){ room, (size_t)snprintf(room, 24, "%lld", (long long)v->i) };
}

static struct str hashes(struct rows *r, struct str sha256)
{
	if (!sha256.p || sha256.n != SHA256_HEX - 1)
		return (struct str){ 0 };
	memcpy(r->hashes, "SHA256=", 7);
	for (size_t i = 0; i < sha256.n; i++)
		r->hashes[7 + i] =
			(char)(sha256.p[i] >= 'a' && sha256.p[i] <= 'f' ? sha256.p[i] - 32
									: sha256.p[i]);
	return (struct str){ r->hashes, 7 + sha256.n };
}

static void who(const struct process *p, struct row *ret)
{
	const struct picture *is = p ? p->is : NULL;

	if (p && p->npid)
		ret->v[F_PID] = (struct str){ p->pid, p->npid };
	if (!is)
		return;
	ret->v[F_IMAGE] = is->image;
	ret->v[F_COMMAND_LINE] = is->command_line;
	if (is->nuser)
		ret->v[F_USER] = (struct str){ is->user, is->nuser };
	ret->windows = is->image.n > 2 && is->image.p[1] == ':' && is->image.p[2] == '\\';
}

static bool creation_row(struct rows *r, const struct event *ev, struct row *ret)
{
	const struct process *p = process_get(r, ev->proc);
	const struct process *parent = p ? process_get(r, p->parent) : NULL;
	struct str *v = ret->v + F_FIRST;
	struct row of_parent = { 0 };

	if (!text_is(&ev->v[EV_AT(PROCESS, OP)], "exec"))
		return false;
	who(parent, &of_parent);
	*v++ = text(ev, EV_AT(PROCESS, CWD));
	*v++ = hashes(r, text(ev, EV_AT(PROCESS, SHA256)));
	*v++ = text(ev, EV_AT(PROCESS, SHA256));
	*v++ = of_parent.v[F_IMAGE];
	*v++ = of_parent.v[F_COMMAND_LINE];
	*v++ = of_parent.v[F_PID];
	*v++ = of_parent.v[F_USER];
	*v++ = text(ev, EV_AT(PROCESS, SCRIPT));
	*v++ = text(ev, EV_AT(PROCESS, SCRIPT_SHA256));
	*v++ = text(ev, EV_AT(PROCESS, CAUSE));
	ret->cat = ROW_PROCESS_CREATION;
	return true;
}

static bool file_row(const struct event *ev, struct row *ret)
{
	static const struct {
		const char *op;
		enum row_cat cat;
	} ops[] = {
		{ "create", ROW_FILE_EVENT },	    { "mkdir", ROW_FILE_EVENT },
		{ "mknod", ROW_FILE_EVENT },	    { "symlink", ROW_FILE_EVENT },
		{ "link", ROW_FILE_EVENT },	    { "write", ROW_FILE_CHANGE },
		{ "truncate", ROW_FILE_CHANGE },    { "chmod", ROW_FILE_CHANGE },
		{ "chown", ROW_FILE_CHANGE },	    { "setxattr", ROW_FILE_CHANGE },
		{ "removexattr", ROW_FILE_CHANGE }, { "unlink", ROW_FILE_DELETE },
		{ "rmdir", ROW_FILE_DELETE },	    { "rename", ROW_FILE_RENAME },
		{ "exchange", ROW_FILE_RENAME },
	};
	const struct val *op = &ev->v[EV_AT(FILE, OP)], *before = &ev->v[EV_AT(FILE, BEFORE)];
	size_t i = 0;

	if (text_is(&ev->v[EV_AT(FILE, ANSWER)], "refused") ||
	    ev->v[EV_AT(FILE, REASON)].type != VAL_NULL)
		return false;
	while (i < ARRAY_SIZE(ops) && !text_is(op, ops[i].op))
		i++;
	if (i == ARRAY_SIZE(ops))
		return false;
	ret->cat = ops[i].cat;
	if (text_is(op, "write") && before->type == VAL_INT && !before->i)
		ret->cat = ROW_FILE_EVENT;
	ret->v[F_FIRST] = text(ev, EV_AT(FILE, PATH));
	if (text_is(op, "link"))
		ret->v[F_FIRST] = text(ev, EV_AT(FILE, PATH2));
	if (ret->cat == ROW_FILE_CHANGE)
		ret->v[F_FIRST + 1] = text(ev, EV_AT(FILE, DETAIL));
	if (ret->cat == ROW_FILE_RENAME) {
		ret->v[F_FIRST] = text(ev, EV_AT(FILE, PATH2));
		ret->v[F_FIRST + 1] = text(ev, EV_AT(FILE, PATH));
	}
	return true;
}

static bool socket_row(struct rows *r, const struct event *ev, struct row *ret)
{
	const struct val *op = &ev->v[EV_AT(SOCKET, OP)], *fam = &ev->v[EV_AT(SOCKET, FAMILY)];
	struct str *v = ret->v + F_FIRST;

	if ((!text_is(op, "connect") && !text_is(op, "sendto")) ||
	    (!text_is(fam, "inet") && !text_is(fam, "inet6")) ||
	    text_is(&ev->v[EV_AT(SOCKET, ANSWER)], "gate")) /* its flow says more */
		return false;
	*v++ = text(ev, EV_AT(SOCKET, ADDRESS));
	*v++ = number(&ev->v[EV_AT(SOCKET, PORT)], r->port);
	*v++ = text(ev, EV_AT(SOCKET, PROTOCOL));
	*v++ = STR("true");
	*v++ = text_is(fam, "inet6") ? STR("true") : STR("false");
	ret->cat = ROW_NETWORK_CONNECTION;
	return true;
}

static bool flow_row(struct rows *r, const struct event *ev, struct row *ret)
{
	struct str *v = ret->v + F_FIRST, dst = text(ev, EV_AT(FLOW, DST));

	if (!text_is(&ev->v[EV_AT(FLOW, OP)], "begin"))
		return false;
	*v++ = dst;
	*v++ = number(&ev->v[EV_AT(FLOW, DST_PORT)], r->port);
	*v++ = text(ev, EV_AT(FLOW, PROTOCOL));
	*v++ = STR("true");
	*v++ = dst.n && memchr(dst.p, ':', dst.n) ? STR("true") : STR("false");
	*v++ = text(ev, EV_AT(FLOW, NAME));
	*v++ = text(ev, EV_AT(FLOW, SRC));
	*v++ = number(&ev->v[EV_AT(FLOW, SRC_PORT)], r->port2);
	ret->cat = ROW_NETWORK_CONNECTION;
	return true;
}

static bool dns_row(const struct event *ev, struct row *ret)
{
	struct str *v = ret->v + F_FIRST;

	if (!text_is(&ev->v[EV_AT(DNS, OP)], "answer"))
		return false;
	*v++ = text(ev, EV_AT(DNS, NAME));
	*v++ = text(ev, EV_AT(DNS, RCODE));
	*v++ = text(ev, EV_AT(DNS, ANSWERS));
	*v++ = text(ev, EV_AT(DNS, TYPE));
	ret->cat = ROW_DNS_QUERY;
	return true;
}

static bool http_row(const struct event *ev, struct row *ret)
{
	struct str *v = ret->v + F_FIRST;

	if (!text_is(&ev->v[EV_AT(HTTP, OP)], "request"))
		return false;
	*v++ = text(ev, EV_AT(HTTP, METHOD));
	*v++ = text(ev, EV_AT(HTTP, HOST));
	*v++ = text(ev, EV_AT(HTTP, TARGET));
	*v++ = text(ev, EV_AT(HTTP, USER_AGENT));
	*v++ = text(ev, EV_AT(HTTP, HOST));
	ret->cat = ROW_PROXY;
	return true;
}

static bool module_row(struct rows *r, const struct event *ev, struct row *ret)
{
	ret->cat = ROW_IMAGE_LOAD;
	ret->v[F_FIRST] = text(ev, EV_AT(MODULE, PATH));
	ret->v[F_FIRST + 1] = hashes(r, text(ev, EV_AT(MODULE, SHA256)));
	return true;
}

static bool fill(struct rows *r, const struct event *ev, struct row *ret)
{
	switch (ev->kind) {
	case EV_RUN_BEGIN:
		r->wall = ev->v[EV_AT(RUN_BEGIN, WALL)].type == VAL_INT
				  ? (uint64_t)ev->v[EV_AT(RUN_BEGIN, WALL)].i
				  : 0;
		return false;
	case EV_CLOCK:
		/* runs after an hour that took a second would lie within that hour, else */
		event_run_date(ev, &r->wall);
		return false;
	case EV_PROCESS:
		process_event(r, ev);
		return creation_row(r, ev, ret);
	case EV_FILE:
		return file_row(ev, ret);
	case EV_SOCKET:
		return socket_row(r, ev, ret);
	case EV_FLOW:
		return flow_row(r, ev, ret);
	case EV_DNS:
		return dns_row(ev, ret);
	case EV_HTTP:
		return http_row(ev, ret);
	case EV_MODULE:
		return module_row(r, ev, ret);
	default:
		return false;
	}
}

bool rows_event(struct rows *r, const struct event *ev, struct row *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!fill(r, ev, ret))
		return false;
	ret->seq = ev->seq;
	ret->t = ev->t;
	ret->wall = r->wall + ev->t;
	ret->proc = ev->proc;
	ret->run = ev->run;
	who(process_get(r, ev->proc), ret);
	return true;
}

void rows_images(const struct rows *r, uint32_t proc, struct str *ret_image,
		 struct str *ret_parent_image)
{
	const struct process *p = process_get(r, proc);
	const struct process *parent = p ? process_get(r, p->parent) : NULL;

	*ret_image = p && p->is ? p->is->image : (struct str){ "", 0 };
	*ret_parent_image = parent && parent->is ? parent->is->image : (struct str){ "", 0 };
}

uint64_t rows_wall(const struct rows *r)
{
	return r->wall;
}

struct rows *rows_new(void)
{
	return xcalloc(1, sizeof(struct rows));
}

void rows_free(struct rows *r)
{
	struct process *p, *next;

	if (!r)
		return;
	HASH_ITER(hh, r->procs, p, next)
	{
		HASH_DEL(r->procs, p);
		drop(p->is);
		free(p);
	}
	free(r);
}
