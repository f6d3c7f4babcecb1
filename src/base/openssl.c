// SPDX-License-Identifier: Apache-2.0
/*
 * openssl.c - load libcrypto, once a process
 */
#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>

#include "base/openssl.h"

/* by its ABI's name: the headers that this was compiled with belong to it */
#define LIBRARY "libcrypto.so.3"
static_assert(OPENSSL_VERSION_MAJOR == 3, "the library's name has the number of its ABI");

/* The one library there can be in a process: no state of ours. */
static struct {
	pthread_once_t once;
	struct openssl functions;
	struct err err;
} library = { .once = PTHREAD_ONCE_INIT };

static void load(void)
{
	static const char *const name[] = {
#define FN(name) #name,
		OPENSSL_FUNCTIONS(FN)
#undef FN
	};
	void **const function = (void **)&library.functions;
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	static_assert(sizeof(struct openssl) == ARRAY_SIZE(name) * sizeof(void *), "a name each");
	if (!handle) {
		err_set(&library.err, ELIBACC, "base: load OpenSSL: %s", dlerror());
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		function[i] = dlsym(handle, name[i]);
		if (!function[i]) {
			err_set(&library.err, ELIBBAD, "base: find '%s' in OpenSSL", name[i]);
			return;
		}
	}
	/* the configuration file takes longer to read than most that is signed */
	library.functions.OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

const struct openssl *openssl_load(struct err *err)
{
	pthread_once(&library.once, load);
	if (!library.err.code)
		return &library.functions;
	if (err)
		*err = library.err;
	return NULL;
}
