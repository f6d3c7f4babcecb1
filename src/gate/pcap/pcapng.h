// SPDX-License-Identifier: Apache-2.0
/*
 * pcapng.h - capture files as other tools read them (draft-ietf-opsawg-pcapng)
 *
 * One section, one Ethernet interface with nanosecond time stamps; packet comments name the process
 * ("pid 12 /usr/bin/curl"), Decryption Secrets Blocks hold the TLS keys of what was opened.
 */
#ifndef BELLJAR_GATE_PCAPNG_H
#define BELLJAR_GATE_PCAPNG_H

#include "base/base.h"

#define PCAPNG_SNAPLEN 262144

/** Each appends one block to @out. Times are ns since the epoch. */
void pcapng_begin(struct buf *out, const char *hardware, const char *os, const char *application);
void pcapng_packet(struct buf *out, uint64_t t, const void *frame, size_t n, size_t original_n,
		   const char *comment);
void pcapng_secrets(struct buf *out, const char *keylog, size_t n); /* NSS key log lines */

#endif
