// SPDX-License-Identifier: Apache-2.0
/*
 * kit.h - what the specimen's programs share
 *
 * The specimen of doc/SPECIMEN.md: it shows what can be seen from outside, and holds nothing that
 * could be used. It runs under glass only, talks to names under .test only, executes nothing that
 * comes over the network but files whose SHA-256 is compiled in, and ends by itself.
 */
#ifndef BELLJAR_SPECIMEN_KIT_H
#define BELLJAR_SPECIMEN_KIT_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../marker.h"

#define LIFETIME_DAYS                                                                              \
	45 /* box time from the first start on; whoever is started by another inherits it */
#define ANSWER_MAX (4u << 20)
#define MINUTE	   60.0
#define HOUR	   3600.0
#define DAY	   (24 * HOUR)

/** config_get() - value of KEY=VALUE in the first of the configuration files that is there, or
 * @otherwise */
const char *config_get(const char *key, char *room, size_t size, const char *otherwise);
bool config_on(const char *key);

/** kit_begin() - first thing of every program: ends with status 64 outside of a box, and sets the
 * end of its life */
void kit_begin(const char *self);
/** scale() - the setting of that name: how much shorter all sleeps are; 1: not */
double scale(void);
/** rest() - sleep so many seconds of box time, times the setting `scale`; ends the process when its
 * time is over */
void rest(double seconds);
/** chance() - 0 … below 1, other values in each run */
double chance(void);

/** hold() - be the only one of that name, as long as this process lives. Return: a descriptor; -1:
 * there is another one */
int hold(const char *name);
/** start() - another program, without waiting; its process id, or -1 */
pid_t start(const char *path, const char *argument);

struct answer {
	int status; /* of HTTP; 0: nothing came */
	unsigned char *body;
	size_t n;
};

/** ask() - HTTP/1.1 to a name under .test; any other name ends the program. @ret->body is the
 * caller's to free */
bool ask(const char *host, unsigned port, const char *method, const char *target, const char *body,
	 struct answer *ret);
/** address_of() - last byte of the IPv4 address of a name under .test, or -1 */
int address_of(const char *host);

/** sha256_hex() - FIPS 180-4 */
void sha256_hex(const void *p, size_t n, char hex[65]);

/** fetch_fixed() - GET a file; write it to @path, runnable, if and only if its SHA-256 is @sha256
 */
bool fetch_fixed(const char *host, unsigned port, const char *target, const char *sha256,
		 const char *path);
/** stop_below() - end all processes whose program is below @folder, but this one */
void stop_below(const char *folder);
/** copy_file() - of a file of this package */
bool copy_file(const char *from, const char *to, mode_t mode);

#endif
