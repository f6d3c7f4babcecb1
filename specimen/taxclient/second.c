// SPDX-License-Identifier: Apache-2.0
/*
 * second.c - the specimen's "download": lives, and does nothing
 *
 * Its SHA-256 is compiled into those that fetch it.
 */
#include "kit.h"

int main(void)
{
	kit_begin("second");
	for (;;)
		rest(6 * HOUR);
}
