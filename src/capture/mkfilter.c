// SPDX-License-Identifier: Apache-2.0
/*
 * mkfilter.c - at build time: the two programs that filter.c makes, as C arrays
 *
 * A program waits for its filter at each start; made then, it cost as much as some thirty system
 * calls, most of it in pages that only the making touched.
 */
#include "capture/filter.h"

static void print_program(const char *name, bool emulate)
{
	static struct sock_filter f[FILTER_MAX];
	size_t n = filter_build(f, emulate);

	printf("static const struct sock_filter %s[%zu] = {\n", name, n);
	for (size_t i = 0; i < n; i++)
		printf("\t{ %u, %u, %u, %uu },\n", f[i].code, f[i].jt, f[i].jf, f[i].k);
	printf("};\n");
}

int main(void)
{
	printf("/* made by mkfilter */\n#include \"capture/filter.h\"\n\n");
	print_program("real", false);
	print_program("emulated", true);
	printf("\nconst struct filter_program filter_programs[2] = {\n"
	       "\t{ real, sizeof(real) / sizeof(*real) },\n"
	       "\t{ emulated, sizeof(emulated) / sizeof(*emulated) },\n"
	       "};\n");
	return 0;
}
