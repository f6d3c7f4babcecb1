// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_judge_look.c - describe any bytes as a program: PE, its signature, ELF, script
 */
#include "judge/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct file_look look;

	look_at(&a, data, size, &look);
	arena_free(&a);
	return 0;
}
