// SPDX-License-Identifier: Apache-2.0
/*
 * capfile.h - packets of a capture file, pcap or pcapng, of either byte order
 * (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng)
 *
 * Read from front to back through one buffer, so a pipe will do.
 */
#ifndef BELLJAR_GATE_CAPFILE_H
#define BELLJAR_GATE_CAPFILE_H

#include "base/base.h"

#define CAPFILE_PACKET_MAX     (512u << 10) /* captured bytes; more is damage */
#define CAPFILE_INTERFACES_MAX 4096	    /* of a pcapng section */

struct capfile_packet {
	uint64_t t;	  /* ns since the epoch */
	uint16_t link;	  /* LINKTYPE_ number */
	const uint8_t *p; /* until the next call */
	size_t n;	  /* captured */
	size_t full_n;	  /* on the wire */
};

struct capfile;
/** capfile_open() - @fd is borrowed. Return: 0; -EBADMSG, EXIT_CORRUPT: no capture file; -errno */
int capfile_open(int fd, struct capfile **ret, struct err *err);
/** capfile_next() - Return: 1 with a packet; 0 at the end, also when the last packet is cut;
 * -EBADMSG, EXIT_CORRUPT when the file is damaged; other -errno */
int capfile_next(struct capfile *f, struct capfile_packet *ret, struct err *err);
/** capfile_cut() - the file ended within a packet or block */
bool capfile_cut(const struct capfile *f);
void capfile_free(struct capfile *f);

#endif
