// SPDX-License-Identifier: Apache-2.0
/*
 * openssl.h - the part of OpenSSL that most runs do not need, loaded when it is needed first
 *
 * Mapping libcrypto and relocating its tables takes longer than making a box. What each run uses
 * of it, SHA-256, is linked into the program (hash.c); signatures and certificates are reached
 * through this table. The headers of OpenSSL still give every function's type.
 */
#ifndef BELLJAR_BASE_OPENSSL_H
#define BELLJAR_BASE_OPENSSL_H

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/base.h"

#define OPENSSL_FUNCTIONS(FN)                                                                      \
	FN(OPENSSL_init_crypto)                                                                    \
	FN(ERR_clear_error)                                                                        \
	FN(EVP_MD_CTX_new)                                                                         \
	FN(EVP_MD_CTX_free)                                                                        \
	FN(EVP_DigestSignInit)                                                                     \
	FN(EVP_DigestSign)                                                                         \
	FN(EVP_DigestVerifyInit)                                                                   \
	FN(EVP_DigestVerify)                                                                       \
	FN(EVP_PKEY_new_raw_private_key)                                                           \
	FN(EVP_PKEY_new_raw_public_key)                                                            \
	FN(EVP_PKEY_get_raw_public_key)                                                            \
	FN(EVP_PKEY_free)                                                                          \
	FN(BIO_new)                                                                                \
	FN(BIO_new_mem_buf)                                                                        \
	FN(BIO_s_mem)                                                                              \
	FN(BIO_read)                                                                               \
	FN(BIO_free)                                                                               \
	FN(PEM_read_bio_X509_AUX)                                                                  \
	FN(d2i_X509)                                                                               \
	FN(i2d_X509)                                                                               \
	FN(X509_free)                                                                              \
	FN(X509_check_ca)                                                                          \
	FN(X509_get_subject_name)                                                                  \
	FN(X509_NAME_print_ex)

/** struct openssl - functions under their own names */
struct openssl {
#define FN(name) __typeof__(name) *name;
	OPENSSL_FUNCTIONS(FN)
#undef FN
};

/**
 * openssl_load() - OpenSSL, without its configuration file
 *
 * Call it before lockdown_reader(): it opens files the first time. Thread-safe; what it returns
 * stays for the life of the process.
 *
 * Return: NULL when the library is not there, with the reason in @err.
 */
const struct openssl *openssl_load(struct err *err);

#endif
