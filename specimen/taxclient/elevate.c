// SPDX-License-Identifier: Apache-2.0
/*
 * elevate.c - is set-id root in the package, and only says who it is
 */
#include "kit.h"

int main(void)
{
	kit_begin("elevate");
	printf("user %u, effective %u\n", (unsigned)getuid(), (unsigned)geteuid());
	return 0;
}
