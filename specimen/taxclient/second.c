// SPDX-License-Identifier: Apache-2.0
/*
 * second.c - the specimen's "download": lives, and does nothing; with an argument, half a minute
 *
 * Its SHA-256 is compiled into those that fetch it.
 */
#include "kit.h"

int main(int argc, char **argv)
{
	kit_begin(argv[0]);
	if (argc > 1) {
		rest(30);
		return 0;
	}
	for (;;)
		rest(6 * HOUR);
}
