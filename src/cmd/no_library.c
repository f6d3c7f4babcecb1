// SPDX-License-Identifier: Apache-2.0
/*
 * no_library.c - in a program that is linked statically, nobody loads a library
 *
 * SQLite could, for extensions; the linker turns its dlopen(3) into this one (--wrap).
 */
#include "base/base.h"

void *__wrap_dlopen(const char *file, int mode); // NOLINT(bugprone-reserved-identifier)
void *__wrap_dlopen(const char *file UNUSED,
		    int mode UNUSED) // NOLINT(bugprone-reserved-identifier)
{
	return NULL;
}
