// SPDX-License-Identifier: Apache-2.0
/*
 * answers.h - inside the sinkhole: what --answers gave, looked up
 */
#ifndef BELLJAR_GATE_ANSWERS_H
#define BELLJAR_GATE_ANSWERS_H

#include "gate/sink/talk.h"

/** struct answer - one HTTP answer; borrowed for the run */
struct answer {
	int status;
	struct str fields; /* header lines, each with its line end; Content-Length and the like are
			    * not among them */
	struct str body;
};

/**
 * answers_http() - the answer to a request
 * @a: may be NULL
 *
 * A request that is made again gets the next of its recorded answers; the last one stays.
 */
bool answers_http(const struct answers *a, const char *host, uint16_t port, const char *method,
		  struct str target, struct answer *ret);

/** answers_greets() - is there something that a server of the talk's host and port says first? */
bool answers_greets(const struct answers *a, const struct talk *t);
/** answers_speak() - … or in answer to the program's first bytes? speaker_recorded says both */
bool answers_speak(const struct answers *a, const struct talk *t);
/** answers_datagram() - appends the answer to a datagram. Return: false for none */
bool answers_datagram(const struct answers *a, const char *host, uint16_t port, struct buf *reply);

#endif
