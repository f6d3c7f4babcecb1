// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - the files that programs wrote or ran, for people and for machines
 */
#include "report/inner.h"

static void key(struct buf *out, const char *what)
{
	buf_printf(out, "  %-9s ", what);
}

static void line(struct buf *out, const char *what, struct str s)
{
	if (!s.n)
		return;
	key(out, what);
	put_shown(out, escape_text, s, NAME_SHOWN_MAX);
	buf_puts(out, "\n");
}

void file_kind_words(struct buf *out, const struct file_look *l)
{
	if (!strcmp(l->type, "other")) {
		buf_puts(out, "no program that is known here");
		return;
	}
	buf_puts(out, strcmp(l->type, "pe") ? strcmp(l->type, "elf") ? "script" : "ELF"
					    : "PE (Windows)");
	if (l->kind)
		buf_printf(out, " %s", l->kind);
	if (l->arch)
		buf_printf(out, ", %s", l->arch);
	if (l->linking && !strcmp(l->linking, "static"))
		buf_puts(out, ", linked statically");
	if (l->stripped)
		buf_puts(out, ", without symbols");
	if (l->packed)
		buf_puts(out, ", packed");
}

static void imports(struct buf *out, const struct file_look *l)
{
	if (!l->imports)
		return;
	key(out, "can");
	put_imports(out, l->imports);
	buf_puts(out, " (");
	put_shown(out, escape_text, l->names, NAME_SHOWN_MAX);
	buf_puts(out, ")\n");
}

void put_imports(struct buf *out, unsigned imports)
{
	const char *comma = "";

	for (int i = 0; i < IMPORT_CLASSES; i++)
		if (imports >> i & 1) {
			buf_printf(out, "%s%s", comma, import_class_name((enum import_class)i));
			comma = ", ";
		}
}

const char *signature_words(const struct file_look *l)
{
	return !strcmp(l->signature, "good")	      ? "the signature holds"
	       : !strcmp(l->signature, "other-bytes") ? "the signature is of other bytes"
	       : !strcmp(l->signature, "broken")      ? "the signature is broken"
						      : NULL;
}

static void signature(struct buf *out, const struct file_look *l)
{
	if (!signature_words(l)) {
		if (!strcmp(l->type, "pe"))
			line(out, "signer", STR("nobody signed it"));
		return;
	}
	key(out, "signer");
	put_shown(out, escape_text, l->signer, NAME_SHOWN_MAX);
	buf_printf(out, "; %s", signature_words(l));
	if (l->signed_at.n) {
		buf_puts(out, ", time stamp ");
		escape_text(out, l->signed_at);
	}
	if (l->signatures > 1)
		buf_printf(out, ", %u signatures", l->signatures);
	buf_puts(out, "\n");
	line(out, "issuer", l->signer_issuer);
	if (l->beside_signature) {
		key(out, "beside");
		put_count(out, l->beside_signature, "byte", "bytes");
		buf_puts(out, " in the certificate table that nobody signed\n");
	}
}

static void look_text(struct buf *out, const struct file_look *l)
{
	key(out, "is");
	file_kind_words(out, l);
	buf_printf(out, "; entropy %.2f", l->entropy);
	if (l->code_entropy > 0)
		buf_printf(out, ", of its code %.2f", l->code_entropy);
	if (l->appended) {
		buf_puts(out, "; ");
		put_bytes(out, l->appended);
		buf_puts(out, " behind its end");
	}
	buf_puts(out, "\n");
	line(out, "marks", l->marks);
	signature(out, l);
	imports(out, l);
}

static void as_text(struct buf *out, const struct file_info *f, bool colour)
{
	buf_puts(out, colour ? "\033[1m" : "");
	put_shown(out, escape_text, f->path, NAME_SHOWN_MAX);
	buf_puts(out, colour ? "\033[0m  " : "  ");
	put_bytes(out, f->size);
	buf_puts(out, f->executed ? ", was run\n" : "\n");
	if (f->look)
		look_text(out, f->look);
	else
		line(out, "is", STR("not looked at: its bytes are not there"));
	if (f->similar) {
		key(out, "like");
		put_shown(out, escape_text, f->similar->path, NAME_SHOWN_MAX);
		if (f->similarity == 100)
			buf_puts(out, ": the same but for what a build or a signature changes\n");
		else
			buf_printf(out, ", %d of 100\n", f->similarity);
	}
	line(out, "package", f->package);
	line(out, "sha256", str_z(f->sha256));
	key(out, "evidence");
	buf_printf(out, "event %llu\n\n", (unsigned long long)f->seq);
}

bool file_listed(const struct file_info *f)
{
	return f->look && !f->again &&
	       (!strcmp(f->look->type, "pe") || !strcmp(f->look->type, "elf"));
}

void file_rest(struct buf *out, const struct file_book *b)
{
	uint64_t scripts = 0, names = 0;

	for (size_t i = 0; i < b->n; i++) {
		names += b->v[i].again;
		scripts += !b->v[i].again && !file_listed(&b->v[i]);
	}
	if (scripts)
		put_count(out, scripts, "script", "scripts");
	if (scripts && names)
		buf_puts(out, " and ");
	if (names)
		put_count(out, names, "other name", "other names");
	if (scripts || names)
		buf_puts(out, scripts + names == 1 ? " is not listed" : " are not listed");
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void text(struct buf *out, const char *name, struct str s)
{
	buf_printf(out, ",\"%s\":", name);
	if (s.n)
		escape_json(out, s);
	else
		buf_puts(out, "null");
}

static void number(struct buf *out, const char *name, uint64_t n)
{
	buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void look_json(struct buf *out, const struct file_look *l)
{
	text(out, "type", str_z(l->type));
	text(out, "kind", str_z(l->kind));
	text(out, "arch", str_z(l->arch));
	text(out, "linking", str_z(l->linking));
	number(out, "stripped", l->stripped);
	text(out, "marks", l->marks);
	number(out, "packed", l->packed);
	buf_printf(out, ",\"entropy\":%.3f,\"code_entropy\":%.3f", l->entropy, l->code_entropy);
	text(out, "sections", l->sections);
	number(out, "appended", l->appended);
	text(out, "libraries", l->libraries);
	buf_puts(out, ",\"imports\":\"");
	put_imports(out, l->imports);
	buf_puts(out, "\"");
	text(out, "import_names", l->names);
	text(out, "signature", str_z(l->signature));
	text(out, "signer", l->signer);
	text(out, "signer_issuer", l->signer_issuer);
	text(out, "signer_chain", l->signer_chain);
	text(out, "signed_at", l->signed_at);
	number(out, "signatures", l->signatures);
	number(out, "beside_signature", l->beside_signature);
	text(out, "digest", str_z(l->digest));
	text(out, "normal", str_z(l->normal));
}

void file_json(struct buf *out, const struct file_info *f)
{
	buf_puts(out, "{\"path\":");
	escape_json(out, f->path);
	text(out, "sha256", str_z(f->sha256));
	number(out, "size", f->size);
	if (f->look)
		look_json(out, f->look);
	text(out, "similar_to", f->similar ? str_z(f->similar->sha256) : (struct str){ 0 });
	text(out, "similar_path", f->similar ? f->similar->path : (struct str){ 0 });
	number(out, "similarity", (uint64_t)f->similarity);
	text(out, "package", f->package);
	number(out, "executed", f->executed);
	number(out, "kept", f->kept);
	number(out, "run", f->run);
	number(out, "proc", f->proc);
	number(out, "evidence", f->seq);
	buf_puts(out, "}");
}

int report_files(const struct file_book *b, bool json, bool colour, int fd, struct err *err)
{
	cleanup_buf struct buf out = { 0 };
	int rc;

	for (size_t i = 0; i < b->n; i++) {
		if (json) {
			file_json(&out, &b->v[i]);
			buf_puts(&out, "\n");
		} else {
			as_text(&out, &b->v[i], colour);
		}
	}
	if (!json) {
		put_count(&out, b->n, "program or script", "programs and scripts");
		if (b->left_out) {
			buf_puts(&out, "; ");
			put_count(&out, b->left_out, "more is", "more are");
			buf_puts(&out, " beyond a limit");
		}
		buf_puts(&out, "\n");
	}
	if (out.overflow)
		return err_set(err, EFBIG, "report: the list of files is too long");
	rc = out.n ? write_full(fd, out.p, out.n) : 0;
	return rc ? cannot_write(err, rc, "the list of files") : 0;
}
