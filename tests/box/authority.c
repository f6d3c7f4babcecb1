// SPDX-License-Identifier: Apache-2.0
/*
 * authority.c - the box's own certificate authority is in the stores of its programs, once, and in
 * those of nobody else
 */
#include "boxed.h"

static const char pem[] = "-----BEGIN CERTIFICATE-----\nbelljartest\n-----END CERTIFICATE-----\n";
static const struct box_authority authority = {
	.pem = pem, .der = "\x30\x03\1\2\3", .der_n = 5, .hash = "0badcafe.0"
};

static void expect(struct boxed *b, const struct box_opts *opts, const char *script,
		   const char *want)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	int out = memfd_create("out", MFD_CLOEXEC);
	int fds[3] = { -1, out, out };
	cleanup_free char *text = NULL;

	boxed_run(b, opts);
	boxed_wait(b, boxed_spawn(b, argv, fds));
	box_end(b->run);
	b->run = NULL;
	text = slurp(out);
	close(out);
	CHECK(!strcmp(text, want), "'%s' gave '%s', not '%s'", script, text, want);
}

static int stores(void *arg UNUSED)
{
	struct box_opts with = { .authority = &authority };
	struct boxed b;
	bool host_has = !access("/etc/ssl/certs/ca-certificates.crt", R_OK);

	boxed_open(&b, "authority", NULL);
	expect(&b, &with,
	       "cat $NODE_EXTRA_CA_CERTS | sed -n 2p; "
	       "[ ! -d /etc/ssl/certs ] || sed -n 2p /etc/ssl/certs/0badcafe.0",
	       host_has ? "belljartest\nbelljartest\n" : "belljartest\n");
	if (!host_has) {
		boxed_close(&b);
		return 0;
	}
	/* once, and after what the host has; the file stays readable for all */
	expect(&b, &with,
	       "f=/etc/ssl/certs/ca-certificates.crt; grep -c belljartest $f; tail -n 2 $f | head -n 1;"
	       "[ $(grep -c BEGIN $f) -gt 1 ] && echo others; stat -c %a $f",
	       "1\nbelljartest\nothers\n644\n");
	/* a program that takes it out has done so for good */
	expect(&b, &with,
	       "rm /etc/ssl/certs/0badcafe.0; echo x >/etc/ssl/certs/ca-certificates.crt", "");
	expect(&b, &with,
	       "cat /etc/ssl/certs/ca-certificates.crt; ls /etc/ssl/certs | grep badcafe", "x\n");
	CHECK(!box_remove(b.box, &b.err), "%s", b.err.msg);
	boxed_close(&b);
	/* without one, and on the host, there is nothing of it */
	boxed_open(&b, "without", NULL);
	expect(&b, NULL,
	       "echo $NODE_EXTRA_CA_CERTS; grep -c belljartest /etc/ssl/certs/ca-certificates.crt",
	       "\n0\n");
	CHECK(!box_remove(b.box, &b.err), "%s", b.err.msg);
	boxed_close(&b);
	CHECK(access("/etc/ssl/certs/0badcafe.0", F_OK), "it is on the host");
	return 0;
}

static void test_programs_of_the_box_alone_trust_it(void **state UNUSED)
{
	as_everyone(stores, NULL);
}

/* A keystore as Java writes them, with no entry: ours is added, and the check at its end is right.
 */
static int keystore(void *arg UNUSED)
{
	struct box_opts with = { .authority = &authority };
	struct boxed b;
	/* what follows the alias: 0x0005 "X.509", length 5, the bytes */
	static const char script[] =
		"f=/etc/ssl/certs/java/cacerts; [ -e $f ] || { echo ok; exit; };"
		"n=$(stat -c %s $f); "
		"{ printf '\\0c\\0h\\0a\\0n\\0g\\0e\\0i\\0tMighty Aphrodite'; head -c $((n-20)) $f; } |"
		"sha1sum | head -c 40 >/tmp/is; tail -c 20 $f | od -An -tx1 | tr -d ' \\n' >/tmp/says;"
		"cmp /tmp/is /tmp/says && grep -qa belljar-box $f && echo ok";

	boxed_open(&b, "keystore", NULL);
	expect(&b, &with, script, "ok\n");
	CHECK(!box_remove(b.box, &b.err), "%s", b.err.msg);
	boxed_close(&b);
	return 0;
}

static void test_java_s_keystore_has_it_and_stays_whole(void **state UNUSED)
{
	as_everyone(keystore, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs_of_the_box_alone_trust_it),
		cmocka_unit_test(test_java_s_keystore_has_it_and_stays_whole),
	};

	return cmocka_run_group_tests(tests, homes_make, homes_remove);
}
