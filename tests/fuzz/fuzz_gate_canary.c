// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_gate_canary.c - a stream is searched alike however it is cut
 *
 * The first byte says how large the pieces are. What is found in the whole must be found in the
 * pieces: the same values in the same encodings at the same places, in whatever order.
 */
#include "gate/canary/canary.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct gate_canary values[] = { { "host", "desk-1a2b" }, { "name", "Nora Holm" } };

struct heard {
	uint64_t sum;
	unsigned hits, limits;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void hear(void *ctx, struct event *ev)
{
	static uint8_t bytes[EVENT_MAX];
	struct heard *h = ctx;
	uint8_t hash[SHA256_LEN];
	uint64_t first;
	ssize_t n;

	ev->v[EV_AT(CANARY, SAMPLE)] = (struct val){ 0 }; /* what is around depends on the cuts */
	n = event_encode(ev, bytes, sizeof(bytes));
	check(n > 0);
	sha256_once(bytes, (size_t)n, hash);
	memcpy(&first, hash, 8);
	h->sum += first;
	h->hits += ev->kind == EV_CANARY;
	h->limits += ev->kind == EV_LIMIT;
}

static struct heard search(struct canaries *c, const uint8_t *p, size_t n, size_t step)
{
	struct flow_facts f = { .id = 1 };
	struct heard h = { 0 };
	struct emit emit = { &h, hear };
	struct canary_stream *s = canary_stream_new(c, &f, "stream", &emit);

	for (size_t at = 0; at < n; at += step) {
		size_t k = step < n - at ? step : n - at;
		uint8_t *piece = xmalloc(k);

		memcpy(piece, p + at, k);
		canary_feed(s, 1, piece, k);
		free(piece);
	}
	canary_stream_end(s, 1);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct canaries *c;
	struct heard whole, cut, bytes;

	if (!c)
		check(!canaries_new(values, ARRAY_SIZE(values), &c, NULL));
	if (n < 2)
		return 0;
	whole = search(c, p + 1, n - 1, n);
	cut = search(c, p + 1, n - 1, p[0] + 1u);
	bytes = search(c, p + 1, n - 1, 1);
	check(whole.hits <= CANARY_HITS_MAX);
	if (!whole.limits) {
		check(whole.sum == cut.sum && whole.hits == cut.hits);
		check(whole.sum == bytes.sum && whole.hits == bytes.hits);
	}
	/* names: as long as they can be */
	struct flow_facts f = { .id = 1 };
	struct emit emit = { &bytes, hear };

	canary_text(c, &f, "dns-name", 1, p, n < 1024 ? n : 1024, &emit);
	canary_text(c, &f, "http-head", 1, p, n, &emit);
	return 0;
}
