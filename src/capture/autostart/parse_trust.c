// SPDX-License-Identifier: Apache-2.0
/*
 * parse_trust.c - certificates, browsers, containers, set-id files, whole files
 *
 * Certificates are parsed by OpenSSL, JSON by jansson, both with bounded input; what they refuse
 * is told as a whole file, so that an unreadable one is not lost.
 */
#include <jansson.h>
#include <sys/stat.h>

#include "base/openssl.h"
#include "capture/autostart/autostart.h"

#define CERTS_MAX 500

void as_parse_FILE(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode))
		as_add(out, str_z(f->base), str_z(f->link ? f->link : ""), AS_NONE);
}

void as_parse_LINK(const struct as_file *f, struct as_list *out)
{
	struct as_item *it;

	if (!f->link)
		return;
	it = as_add(out, str_z(f->base), str_z(f->link), AS_PATH);
	if (it)
		it->names = out->path;
}

void as_parse_NEWLIB(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode))
		as_add(out, str_z(f->base), str_z(f->link ? f->link : f->path), AS_SELF);
}

void as_parse_REPLACED(const struct as_file *f, struct as_list *out)
{
	if (S_ISREG(f->mode) &&
	    (f->mode & 0111 || strstr(f->base, ".so") || strstr(f->base, ".py")))
		as_add(out, str_z(f->base), STR("differs from what was installed"), AS_SELF);
}

void as_parse_SETID(const struct as_file *f, struct as_list *out)
{
	char text[80];

	if (f->link || !S_ISREG(f->mode) || (!(f->mode & 06000) && !f->caps))
		return;
	/* set-group-id without group execute means mandatory locking, not rights */
	if (!f->caps && !(f->mode & 04000) && !(f->mode & 010))
		return;
	snprintf(text, sizeof(text), "%s%s%smode %04o", f->mode & 04000 ? "set-user-id, " : "",
		 f->mode & 02000 ? "set-group-id, " : "", f->caps ? "file capabilities, " : "",
		 f->mode & 07777);
	as_add(out, str_z(f->base), str_z(text), AS_SELF);
}

/* ---- certificates ------------------------------------------------------------------------- */

static bool cert_add(const struct openssl *ssl, X509 *x, const struct as_file *f,
		     struct as_list *out)
{
	char subject[512] = "", text[700], hex[SHA256_HEX];
	int len = 0, der_len = ssl->i2d_X509(x, NULL);
	cleanup_free uint8_t *der = NULL;
	uint8_t sum[SHA256_LEN], *to;
	BIO *b;

	if (der_len <= 0)
		return false;
	der = to = xmalloc((size_t)der_len);
	if (ssl->i2d_X509(x, &to) != der_len)
		return false;
	sha256_once(der, (size_t)der_len, sum);
	hex_encode(sum, sizeof(sum), hex);
	b = ssl->BIO_new(ssl->BIO_s_mem());
	if (b && ssl->X509_NAME_print_ex(b, ssl->X509_get_subject_name(x), 0,
					 XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		len = ssl->BIO_read(b, subject, sizeof(subject) - 1);
	subject[len > 0 ? len : 0] = 0;
	ssl->BIO_free(b);
	snprintf(text, sizeof(text), "certificate %s%s, SHA-256 %s", f->base,
		 ssl->X509_check_ca(x) ? "" : " that can sign no other", hex);
	return as_add(out, str_z(subject[0] ? subject : f->base), str_z(text), AS_NONE);
}

void as_parse_CERT(const struct as_file *f, struct as_list *out)
{
	const unsigned char *der = (const unsigned char *)f->text.p;
	const struct openssl *ssl;
	size_t before = out->n;
	BIO *b;
	X509 *x;

	if (!S_ISREG(f->mode)) {
		if (f->link)
			as_add(out, str_z(f->base), str_z(f->link), AS_NONE);
		return;
	}
	if (!f->text.n)
		return;
	/* the bundle repeats what the single files say: told once, as a file */
	if (strcmp(f->base, "ca-certificates.crt") && (ssl = openssl_load(NULL))) {
		b = ssl->BIO_new_mem_buf(f->text.p, (int)f->text.n);
		for (int i = 0; b && i < CERTS_MAX; i++) {
			x = ssl->PEM_read_bio_X509_AUX(b, NULL, NULL, (void *)"");
			if (!x)
				break;
			cert_add(ssl, x, f, out);
			ssl->X509_free(x);
		}
		ssl->BIO_free(b);
		if (out->n == before && (x = ssl->d2i_X509(NULL, &der, (long)f->text.n))) {
			cert_add(ssl, x, f, out);
			ssl->X509_free(x);
		}
		ssl->ERR_clear_error();
	}
	if (out->n == before)
		as_add(out, str_z(f->base), str_z(f->link ? f->link : ""), AS_NONE);
}

void as_parse_HOSTS(const struct as_file *f, struct as_list *out)
{
	struct str rest = f->text, line, address, name;

	while (as_line(&rest, &line)) {
		const char *hash = line.n ? memchr(line.p, '#', line.n) : NULL;

		if (hash)
			line.n = hash - line.p;
		address = as_word(&line);
		while ((name = as_word(&line)).n)
			as_add(out, name, address, AS_NONE);
	}
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *load(const struct as_file *f)
{
	return json_loadb(f->text.p, f->text.n, JSON_REJECT_DUPLICATES, NULL);
}

/* Native messaging manifest: "name", "path": the program, "allowed_origins"/"allowed_extensions" */
void as_parse_NATIVE_HOST(const struct as_file *f, struct as_list *out)
{
	json_t *j = load(f);
	const char *name = json_string_value(json_object_get(j, "name"));
	const char *path = json_string_value(json_object_get(j, "path"));

	as_add(out, str_z(name ? name : f->base), str_z(path ? path : ""),
	       path ? AS_PATH : AS_NONE);
	json_decref(j);
}

void as_parse_JSON(const struct as_file *f, struct as_list *out)
{
	json_t *j = load(f);
	const char *url = json_string_value(json_object_get(j, "external_update_url"));
	const char *crx = json_string_value(json_object_get(j, "external_crx"));

	if (S_ISREG(f->mode))
		as_add(out, str_z(f->base), str_z(crx ? crx : url ? url : ""), AS_NONE);
	json_decref(j);
}

/* Only what names the extension or is its code's start, not each picture in it. */
void as_parse_EXTENSION(const struct as_file *f, struct as_list *out)
{
	const char *name = NULL;
	json_t *j = NULL;

	if (!S_ISREG(f->mode))
		return;
	if (!strcmp(f->base, "manifest.json") || !strcmp(f->base, "metadata.json")) {
		j = load(f);
		name = json_string_value(json_object_get(j, "name"));
	} else if (!str_ends(str_z(f->base), ".xpi") && !str_ends(str_z(f->base), ".crx") &&
		   !str_ends(str_z(f->base), ".json") && !str_ends(str_z(f->base), ".js") &&
		   !str_ends(str_z(f->base), ".desktop") && !str_ends(str_z(f->base), ".py") &&
		   !str_ends(str_z(f->base), ".so")) {
		return;
	}
	as_add(out, str_z(name ? name : f->base), str_z(f->path), AS_NONE);
	json_decref(j);
}

/* One entry a policy: its key and value. Firefox has them below "policies". */
void as_parse_POLICY(const struct as_file *f, struct as_list *out)
{
	json_t *j = load(f), *top = json_object_get(j, "policies");
	const char *key;
	json_t *val;

	if (!json_is_object(top))
		top = j;
	if (!json_is_object(top))
		as_add(out, str_z(f->base), f->text, AS_NONE);
	else
		json_object_foreach(top, key, val)
		{
			char *text =
				json_dumps(val, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

			as_add(out, str_z(key), str_z(text), AS_NONE);
			free(text);
		}
	json_decref(j);
}

/* docker's own record of a container: starts by itself when RestartPolicy is not "no" */
void as_parse_DOCKER(const struct as_file *f, struct as_list *out)
{
	json_t *j = load(f), *config = json_object_get(j, "Config");
	const char *name = json_string_value(json_object_get(j, "Name"));
	const char *image = json_string_value(json_object_get(config, "Image"));
	const char *restart =
		json_string_value(json_object_get(json_object_get(j, "RestartPolicy"), "Name"));
	char text[1024];

	if (restart)
		snprintf(text, sizeof(text), "restart policy: %.200s", restart);
	else
		snprintf(text, sizeof(text), "image: %.900s", image ? image : "?");
	if (S_ISREG(f->mode))
		as_add(out, str_z(name ? name : f->base), str_z(text), AS_NONE);
	json_decref(j);
}
