// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_policy.c - any bytes as a policy file, and any names to what it says
 *
 * What is taken must print, read back, and print the same. The bytes behind the first NUL are
 * asked as names and addresses.
 */
#include "gate/policy/policy_inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void again(const struct policy *p)
{
	cleanup_buf struct buf first = { 0 }, second = { 0 };
	struct policy *q = policy_new(GATE_OPEN);

	policy_print(p, &first);
	check(!policy_parse(q, first.p, first.n, "printed", NULL));
	policy_print(q, &second);
	check(str_eq((struct str){ first.p, first.n }, (struct str){ second.p, second.n }));
	policy_free(q);
}

static void ask(const struct policy *p, const uint8_t *bytes, size_t n)
{
	cleanup_free char *name = xstrndup((const char *)bytes, n);
	struct addr a = { .port = 443 };
	char why[256];

	check(strlen(policy_name(p, name, 443).reason) > 0);
	policy_name(p, name, 0);
	policy_inner_name(p, "a.example", name, 443, "Host");
	policy_encrypted_dns(p, name, 443, name, n % 2, why);
	policy_opens_tls(p, name);
	a.v6 = n >= 16;
	memcpy(a.ip, bytes, n < 16 ? n : 16);
	if (policy_address(p, &a, "").verdict == VERDICT_ALLOW && policy_mode(p) == GATE_OPEN)
		check(!address_sinkhole(&a));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const uint8_t *nul = n ? memchr(bytes, 0, n) : NULL;
	size_t text = nul ? (size_t)(nul - bytes) : n;
	cleanup_free char *copy = xmalloc(text ? text : 1); /* no byte beyond the end */
	struct policy *p = policy_new(GATE_DECLARED);
	struct err err = { 0 };

	memcpy(copy, bytes, text);
	if (policy_parse(p, copy, text, "fuzz", &err))
		check(!p->nrules && err.exit == EXIT_USAGE && !strchr(err.msg, '\n'));
	again(p);
	if (nul)
		ask(p, nul + 1, n - text - 1);
	policy_free(p);
	return 0;
}
