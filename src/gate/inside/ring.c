// SPDX-License-Identifier: Apache-2.0
/*
 * ring.c - packets of the box's network into a run's capture file
 *
 * All of the box's TCP and UDP passes lo, with its own addresses (src/box/net.c), so one packet
 * socket there sees everything once (packet(7), PACKET_IGNORE_OUTGOING). Without TPROXY what leaves
 * does so by the interface, and only what comes passes lo: then the socket hears both. A thread of
 * its own copies blocks of the ring to the file, so that neither the disk nor the loop waits for
 * the other.
 *
 * Of each connection the first RING_FLOW_FULL bytes are kept in full; of what follows only the
 * heads, which say who, when, and how much. Otherwise one download would fill the file, and the
 * disk would be the box's speed limit.
 */
#include "gate/inside/inside.h"
#include "gate/pcap/pcapng.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define RING_BLOCK     (1u << 20)
#define RING_BLOCKS    16
#define RING_FLOW_FULL (1u << 20)
#define RING_SNAP      128
#define RING_SLOTS     65536
#define RING_WAIT_MS   1000 /* the kernel wakes us for each block */
#define RING_STILL_NS  1000000

struct ring {
	int sock, file, wake;
	const struct box_clock *clock;
	uint8_t *map;
	pthread_t thread;
	atomic_bool stop;
	bool full;
	uint64_t written, packets;
	struct buf out;
	/* bytes so far of the flows whose addresses fall into a slot: no more exact than it needs
	 */
	uint32_t seen[RING_SLOTS];
};

static uint32_t slot_of(const uint8_t *frame, size_t n)
{
	size_t from = frame[12] == 0x86 ? 14 + 8 : 14 + 12, k = frame[12] == 0x86 ? 32 : 8;
	uint32_t h = 0;

	/* both directions of a flow fall into the same slot: a sum does not know the order */
	if (n < from + k + 4)
		return 0;
	for (size_t i = 0; i < k; i += 4) {
		uint32_t w;

		memcpy(&w, frame + from + i, 4);
		h += w * 2654435761u ^ w >> 15;
	}
	return (h + (uint32_t)(frame[from + k] << 8 | frame[from + k + 1]) * 40503u +
		(uint32_t)(frame[from + k + 2] << 8 | frame[from + k + 3]) * 40503u) %
	       RING_SLOTS;
}

static void flush(struct ring *r)
{
	if (r->out.n && write_full(r->file, r->out.p, r->out.n))
		r->full = true;
	r->written += r->out.n;
	r->out.n = 0;
}

static void keep(struct ring *r, const struct tpacket3_hdr *h)
{
	const uint8_t *frame = (const uint8_t *)h + h->tp_mac;
	size_t n = h->tp_snaplen;
	uint32_t slot;

	if (r->full || n < 14)
		return;
	slot = slot_of(frame, n);
	if (r->seen[slot] > RING_FLOW_FULL && n > RING_SNAP)
		n = RING_SNAP;
	else
		r->seen[slot] += (uint32_t)n;
	if (r->written + r->out.n + n + 64 > PCAP_FILE_MAX) {
		flush(r);
		r->full = true;
		return;
	}
	pcapng_packet(&r->out, box_clock_date(r->clock, h->tp_sec * NSEC_PER_SEC + h->tp_nsec),
		      frame, n, h->tp_len, NULL);
	r->packets++;
	if (r->out.n > RING_BLOCK)
		flush(r);
}

static struct tpacket_block_desc *block(const struct ring *r, unsigned nr)
{
	return (void *)(r->map + (size_t)nr * RING_BLOCK);
}

static void keep_block(struct ring *r, const struct tpacket_block_desc *b)
{
	const uint8_t *end = (const uint8_t *)b + RING_BLOCK;
	const uint8_t *at = (const uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;
	uint32_t n = b->hdr.bh1.num_pkts;

	for (uint32_t i = 0; i < n && at + sizeof(struct tpacket3_hdr) <= end; i++) {
		const struct tpacket3_hdr *h = (const void *)at;

		if (at + h->tp_mac + h->tp_snaplen > end)
			return;
		keep(r, h);
		at += h->tp_next_offset;
	}
}

/* Return: whether there was a block. */
static bool one_block(struct ring *r, unsigned nr)
{
	struct tpacket_block_desc *b = block(r, nr);

	if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	keep_block(r, b);
	b->hdr.bh1.num_pkts = 0; /* so that what is counted there is always in it */
	__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	return true;
}

static void *copy(void *arg)
{
	struct ring *r = arg;
	unsigned at = 0;

	for (;;) {
		bool last = atomic_load(&r->stop);
		struct pollfd p[2] = { { .fd = r->sock, .events = POLLIN },
				       { .fd = r->wake, .events = POLLIN } };

		while (one_block(r, at))
			at = (at + 1) % RING_BLOCKS;
		if (last)
			break;
		poll(p, 2, RING_WAIT_MS);
	}
	/* the block that the kernel is filling */
	keep_block(r, block(r, at));
	flush(r);
	return NULL;
}

/* What leaves by the interface, and what arrives on lo. */
static int filter_both(int s, unsigned interface, unsigned lo)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, interface, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 3, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lo, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int ring_open(int file, bool by_interface, const struct box_clock *clock, struct ring **ret,
	      struct err *err)
{
	struct tpacket_req3 req = { .tp_block_size = RING_BLOCK,
				    .tp_block_nr = RING_BLOCKS,
				    .tp_frame_size = 2048,
				    .tp_frame_nr = RING_BLOCK / 2048 * RING_BLOCKS,
				    .tp_retire_blk_tov = 20 };
	unsigned lo = if_nametoindex("lo");
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = by_interface ? 0 : (int)lo };
	struct ring *r = xcalloc(1, sizeof(*r));
	int version = TPACKET_V3, one = 1, rc;

	r->clock = clock;
	r->file = file;
	r->map = MAP_FAILED;
	r->wake = eventfd(0, EFD_CLOEXEC);
	r->sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->sock < 0 || r->wake < 0 ||
	    setsockopt(r->sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    (by_interface ? filter_both(r->sock, if_nametoindex("eth0"), lo)
			  : setsockopt(r->sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
				       sizeof(one))) ||
	    setsockopt(r->sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		goto fail;
	r->map = mmap(NULL, (size_t)RING_BLOCK * RING_BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r->sock, 0);
	if (r->map == MAP_FAILED || bind(r->sock, (struct sockaddr *)&at, sizeof(at)))
		goto fail;
	pcapng_begin(&r->out, "", "Linux", "belljar " BELLJAR_VERSION);
	rc = pthread_create(&r->thread, NULL, copy, r);
	if (rc) {
		errno = rc;
		goto fail;
	}
	*ret = r;
	return 0;
fail:
	rc = err_set_exit(err, EXIT_NO_WALL, errno, "gate: capture packets");
	if (r->map != MAP_FAILED)
		munmap(r->map, (size_t)RING_BLOCK * RING_BLOCKS);
	if (r->sock >= 0)
		close(r->sock);
	if (r->wake >= 0)
		close(r->wake);
	free(r);
	return rc;
}

void ring_close(struct ring *r, uint64_t *ret_lost, uint64_t *ret_packets, bool *ret_full)
{
	struct tpacket_stats_v3 st = { 0 };
	socklen_t n = sizeof(st);
	struct timespec still = { .tv_nsec = RING_STILL_NS };
	uint64_t one = 1;

	/* Nothing sends any more. A packet is in its block when the call that sent it returns, so
	 * this is for what another processor had still to put there. */
	nanosleep(&still, NULL);
	atomic_store(&r->stop, true);
	(void)!write(r->wake, &one, sizeof(one));
	pthread_join(r->thread, NULL);
	if (!getsockopt(r->sock, SOL_PACKET, PACKET_STATISTICS, &st, &n))
		*ret_lost = st.tp_drops;
	*ret_packets = r->packets;
	*ret_full = r->full;
	/* the socket ends with this process: to close it takes longer than all of this */
	buf_free(&r->out);
	free(r);
}
