// SPDX-License-Identifier: Apache-2.0
/*
 * sink_mqtt.c - MQTT broker of the sinkhole (OASIS MQTT 3.1.1 and 5): takes all, sends nothing
 */
#include "gate/decode/be.h"
#include "gate/sink/talk.h"

struct mqtt {
	uint64_t skip; /* rest of a packet that is not looked at */
	bool v5;
};

/* Packets that are looked at are short; of a longer one only its beginning is. */
#define PACKET_SEEN 64

enum {
	CONNECT = 1,
	PUBLISH = 3,
	PUBREL = 6,
	SUBSCRIBE = 8,
	UNSUBSCRIBE = 10,
	PINGREQ = 12,
	DISCONNECT = 14
};

static enum looks mqtt_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	size_t at = 1;

	if (!n)
		return LOOKS_SHORT;
	if (p[0] != 0x10)
		return LOOKS_NO;
	while (at < n && at < 5 && (p[at] & 0x80))
		at++;
	if (at == 5)
		return LOOKS_NO;
	if (n < at + 7)
		return LOOKS_SHORT;
	return !memcmp(p + at + 1, "\0\4MQTT", 6) || !memcmp(p + at + 1, "\0\6MQIsd", 6) ? LOOKS_YES
											 : LOOKS_NO;
}

static void acknowledge(struct buf *out, uint8_t type, uint16_t id)
{
	uint8_t p[4] = { type, 2, (uint8_t)(id >> 8), (uint8_t)id };

	buf_add(out, p, 4);
}

/* As many granted subscriptions as there are topics in the packet, with the quality asked for. */
static void subscribed(const struct mqtt *m, const uint8_t *p, size_t n, bool un, struct buf *out)
{
	struct rd r = { p, p + n, false };
	uint16_t id = rd_be16(&r);
	uint8_t codes[PACKET_SEEN];
	size_t k = 0;

	if (m->v5)
		rd_bytes(&r, (size_t)rd_varint(&r));
	while (!r.bad && rd_left(&r) && k < sizeof(codes)) {
		rd_bytes(&r, rd_be16(&r));
		if (!un) {
			uint8_t qos = rd_u8(&r) & 3;

			codes[k] = qos < 3 ? qos : 0;
		} else {
			codes[k] = 0;
		}
		k += !r.bad;
	}
	if (un && !m->v5)
		k = 0;
	uint8_t head[5] = { un ? 0xb0 : 0x90, (uint8_t)(2 + m->v5 + k), (uint8_t)(id >> 8),
			    (uint8_t)id, 0 };

	buf_add(out, head, m->v5 ? 5 : 4);
	buf_add(out, codes, k);
}

static void published(const uint8_t *p, size_t n, uint8_t flags, struct buf *out)
{
	struct rd r = { p, p + n, false };
	unsigned qos = flags >> 1 & 3;
	uint16_t id;

	rd_bytes(&r, rd_be16(&r));
	id = rd_be16(&r);
	if (qos && !r.bad)
		acknowledge(out, qos == 1 ? 0x40 : 0x50, id);
}

static enum talked packet(struct mqtt *m, uint8_t first, const uint8_t *p, size_t n,
			  struct buf *out)
{
	switch (first >> 4) {
	case CONNECT:
		m->v5 = n > 6 && p[6] == 5 && p[1] == 4;
		if (m->v5)
			buf_add(out, "\x20\x03\0\0\0", 5);
		else
			buf_add(out, "\x20\x02\0\0", 4);
		break;
	case PUBLISH:
		published(p, n, first & 15, out);
		break;
	case PUBREL:
		if (n >= 2)
			acknowledge(out, 0x70, be16(p));
		break;
	case SUBSCRIBE:
	case UNSUBSCRIBE:
		subscribed(m, p, n, first >> 4 == UNSUBSCRIBE, out);
		break;
	case PINGREQ:
		buf_add(out, "\xd0\0", 2);
		break;
	case DISCONNECT:
		return TALK_CLOSE;
	}
	return TALK_ON;
}

static enum talked mqtt_input(struct talk *t, struct buf *out)
{
	struct mqtt *m = t->state;
	enum talked talked = TALK_ON;

	while (talked == TALK_ON) {
		size_t have = talk_left(t), n = have < m->skip ? have : (size_t)m->skip, at = 1;
		const uint8_t *p;
		uint64_t length = 0;

		talk_take(t, n);
		m->skip -= n;
		p = (const uint8_t *)talk_bytes(t);
		have = talk_left(t);
		if (m->skip || have < 2)
			return TALK_ON;
		if (out->n >= TALK_OUT_MAX)
			return TALK_MORE;
		/* MQTT 2.2.3: at most four bytes of seven bits */
		do {
			if (at == 5)
				return TALK_OTHER;
			if (at == have)
				return TALK_ON;
			length |= (uint64_t)(p[at] & 0x7f) << 7 * (at - 1);
		} while (p[at++] & 0x80);
		n = length < PACKET_SEEN ? (size_t)length : PACKET_SEEN;
		/* a longer SUBSCRIBE is looked at whole when it fits */
		if (length < 4096)
			n = (size_t)length;
		if (have < at + n)
			return TALK_ON;
		talked = packet(m, p[0], p + at, n, out);
		talk_take(t, at);
		m->skip = length;
	}
	return talked;
}

const struct speaker speaker_mqtt = { .state = sizeof(struct mqtt),
				      .looks = mqtt_looks,
				      .input = mqtt_input };
