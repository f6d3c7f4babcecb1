// SPDX-License-Identifier: Apache-2.0
/*
 * look_counter.c - does a program read the processor's own time counter (rdtsc, rdtscp)?
 *
 * Time-lapse cannot change that one. The two bytes of rdtsc stand in data and in the middle of
 * other instructions as well, so what is around them is disassembled: from several places before,
 * since code of x86 falls into step from wherever one begins, within a few instructions. It counts
 * where nearly all of these find the instruction there.
 */
#include <capstone/capstone.h>

#include "judge/look.h"

#define STARTS	   16
#define BEFORE	   64	 /* the first start; the others follow byte by byte */
#define PLACES_MAX 20000 /* that are looked at in one file */
#define MOST	   (STARTS * 3 / 4)

static bool is_counter(const uint8_t *p, size_t n)
{
	return (n >= 2 && p[0] == 0x0f && p[1] == 0x31) ||
	       (n >= 3 && p[0] == 0x0f && p[1] == 0x01 && p[2] == 0xf9);
}

/* Does reading on from @from come to an instruction at @at? */
static bool falls_on(csh cs, cs_insn *insn, const uint8_t *p, size_t n, size_t from, size_t at)
{
	const uint8_t *code = p + from;
	size_t left = n - from;
	uint64_t address = from;

	while (address < at) {
		if (cs_disasm_iter(cs, &code, &left, &address, insn))
			continue;
		code++; /* no instruction: the next byte */
		left--;
		address++;
	}
	return address == at && cs_disasm_iter(cs, &code, &left, &address, insn) &&
	       (insn->id == X86_INS_RDTSC || insn->id == X86_INS_RDTSCP);
}

static bool is_code(csh cs, cs_insn *insn, const uint8_t *p, size_t n, size_t at)
{
	int found = 0, tried = 0;

	for (size_t i = 0; i < STARTS; i++) {
		size_t back = BEFORE - i;

		tried++;
		found += falls_on(cs, insn, p, n, at > back ? at - back : 0, at);
		if (tried - found > STARTS - MOST)
			return false;
	}
	return true;
}

void look_counter(struct looking *l, size_t at, size_t n, bool wide)
{
	const uint8_t *p = l->p + at, *next;
	cs_insn *insn;
	csh cs;

	if (at > l->n || l->counted)
		return;
	n = n > l->n - at ? l->n - at : n;
	next = memchr(p, 0x0f, n);
	if (!next || cs_open(CS_ARCH_X86, wide ? CS_MODE_64 : CS_MODE_32, &cs) != CS_ERR_OK)
		return;
	insn = cs_malloc(cs);
	for (; insn && next && l->nplaces < PLACES_MAX && !l->counted;
	     next = memchr(next + 1, 0x0f, n - (size_t)(next + 1 - p))) {
		size_t k = (size_t)(next - p);

		if (!is_counter(next, n - k))
			continue;
		l->nplaces++;
		l->counted = is_code(cs, insn, p, n, k);
	}
	if (insn)
		cs_free(insn, 1);
	cs_close(&cs);
	if (l->counted)
		look_mark(l, "time-counter");
}
