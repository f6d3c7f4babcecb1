// SPDX-License-Identifier: Apache-2.0
/*
 * network_options.h - the options of subcommands that start programs: what their network is
 */
#ifndef BELLJAR_CMD_NETWORK_OPTIONS_H
#define BELLJAR_CMD_NETWORK_OPTIONS_H

#include <getopt.h>

#include "session/session.h"

enum {
	OPT_NET = 1024,
	OPT_ALLOW,
	OPT_DENY,
	OPT_POLICY,
	OPT_ANSWERS,
	OPT_TLS_OPEN,
	OPT_NXDOMAIN_FIRST,
	OPT_SINK,
	OPT_NET_BY,
};
/* rows for getopt_long() */
#define NETWORK_OPTIONS                                                                            \
	{ "net", required_argument, NULL, OPT_NET },                                               \
		{ "allow", required_argument, NULL, OPT_ALLOW },                                   \
		{ "deny", required_argument, NULL, OPT_DENY },                                     \
		{ "policy", required_argument, NULL, OPT_POLICY },                                 \
		{ "answers", required_argument, NULL, OPT_ANSWERS },                               \
		{ "tls-open", required_argument, NULL, OPT_TLS_OPEN },                             \
		{ "nxdomain-first", required_argument, NULL, OPT_NXDOMAIN_FIRST },                 \
		{ "net-by", required_argument, NULL, OPT_NET_BY },                                 \
	{                                                                                          \
		"sink", required_argument, NULL, OPT_SINK                                          \
	}

/** network_option() - one option of @sub; files are opened now. Return: 0, an exit status after its
 * sentence, -1: none of these */
int network_option(const char *sub, struct network_opts *o, int c, const char *value);

/**
 * network_here() - can a session with these options be made by this program? If not, become the one
 * that can, with the subcommand's arguments @argv
 *
 * Return: -1: it can; else the exit status of a failure, all said.
 */
int network_here(const struct network_opts *o, char **argv);

#endif
