// SPDX-License-Identifier: Apache-2.0
/*
 * sink_ftp.c - FTP server of the sinkhole (RFC 959, 2428, 4217)
 *
 * Every login is right, every folder is there and empty, every upload is taken. Data connections
 * come to the sinkhole like any other: PASV names a port of the range FTP_DATA_FIRST…LAST at the
 * same address, where a server closes as soon as the client has nothing to send.
 */
#include <strings.h>

#include "gate/sink/talk.h"

struct ftp {
	unsigned transfers;
};

static enum talked ftp_greet(struct talk *t UNUSED, struct buf *out)
{
	buf_puts(out, "220 ready\r\n");
	return TALK_ON;
}

static unsigned data_port(struct talk *t)
{
	struct ftp *f = t->state;

	return FTP_DATA_FIRST +
	       (t->facts->id + f->transfers++) % (FTP_DATA_LAST - FTP_DATA_FIRST + 1);
}

static enum talked ftp_pasv(struct talk *t, struct buf *out)
{
	unsigned port = data_port(t);
	const uint8_t *ip = t->facts->dst.ip;

	if (t->facts->dst.v6)
		buf_puts(out, "522 Use EPSV\r\n");
	else
		buf_printf(out, "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)\r\n", ip[0], ip[1],
			   ip[2], ip[3], port >> 8, port & 255);
	return TALK_ON;
}

static enum talked ftp_epsv(struct talk *t, struct buf *out)
{
	buf_printf(out, "229 Entering Extended Passive Mode (|||%u|)\r\n", data_port(t));
	return TALK_ON;
}

static enum talked ftp_auth(struct talk *t, struct buf *out)
{
	buf_puts(out, t->tls_possible ? "234 Proceed\r\n" : "504 Not available\r\n");
	return t->tls_possible ? TALK_TLS : TALK_ON;
}

static enum talked ftp_quit(struct talk *t UNUSED, struct buf *out)
{
	buf_puts(out, "221 Goodbye\r\n");
	return TALK_CLOSE;
}

#define TRANSFER "150 Here it comes\r\n226 Transfer complete\r\n"

static const struct {
	const char *word, *reply;
	enum talked (*fn)(struct talk *t, struct buf *out);
} commands[] = {
	{ "USER", "331 Password required\r\n", NULL },
	{ "PASS", "230 Logged in\r\n", NULL },
	{ "ACCT", "230 Logged in\r\n", NULL },
	{ "AUTH", NULL, ftp_auth },
	{ "PBSZ", "200 PBSZ=0\r\n", NULL },
	{ "PROT", "200 Ok\r\n", NULL },
	{ "SYST", "215 UNIX Type: L8\r\n", NULL },
	{ "FEAT", "211-Features:\r\n EPSV\r\n PASV\r\n SIZE\r\n UTF8\r\n211 End\r\n", NULL },
	{ "OPTS", "200 Ok\r\n", NULL },
	{ "PWD", "257 \"/\"\r\n", NULL },
	{ "XPWD", "257 \"/\"\r\n", NULL },
	{ "CWD", "250 Ok\r\n", NULL },
	{ "CDUP", "250 Ok\r\n", NULL },
	{ "TYPE", "200 Ok\r\n", NULL },
	{ "MODE", "200 Ok\r\n", NULL },
	{ "STRU", "200 Ok\r\n", NULL },
	{ "NOOP", "200 Ok\r\n", NULL },
	{ "PASV", NULL, ftp_pasv },
	{ "EPSV", NULL, ftp_epsv },
	{ "PORT", "200 Ok\r\n", NULL }, /* and then no connection comes */
	{ "EPRT", "200 Ok\r\n", NULL },
	{ "LIST", TRANSFER, NULL },
	{ "NLST", TRANSFER, NULL },
	{ "MLSD", TRANSFER, NULL },
	{ "STOR", TRANSFER, NULL },
	{ "STOU", TRANSFER, NULL },
	{ "APPE", TRANSFER, NULL },
	{ "RETR", "550 No such file\r\n", NULL },
	{ "SIZE", "550 No such file\r\n", NULL },
	{ "MDTM", "550 No such file\r\n", NULL },
	{ "DELE", "250 Ok\r\n", NULL },
	{ "RMD", "250 Ok\r\n", NULL },
	{ "MKD", "257 Ok\r\n", NULL },
	{ "RNFR", "350 Ready for RNTO\r\n", NULL },
	{ "RNTO", "250 Ok\r\n", NULL },
	{ "REST", "350 Ok\r\n", NULL },
	{ "STAT", "211 Ok\r\n", NULL },
	{ "SITE", "200 Ok\r\n", NULL },
	{ "ABOR", "226 Ok\r\n", NULL },
	{ "QUIT", NULL, ftp_quit },
};

static enum talked ftp_line(struct talk *t, const char *line, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!talk_word(line, commands[i].word, NULL))
			continue;
		if (commands[i].fn)
			return commands[i].fn(t, out);
		buf_puts(out, commands[i].reply);
		return TALK_ON;
	}
	buf_puts(out, "502 Not implemented\r\n");
	return TALK_ON;
}

static enum talked ftp_input(struct talk *t, struct buf *out)
{
	char line[TALK_LINE_MAX];
	enum talked talked = TALK_ON;

	while (talked == TALK_ON && out->n < TALK_OUT_MAX && talk_line(t, line))
		talked = ftp_line(t, line, out);
	return talked == TALK_ON && out->n >= TALK_OUT_MAX ? TALK_MORE : talked;
}

/* "USER name": of IRC it has more words, on its own port it is POP3's. */
static enum looks ftp_looks(const struct talk *t UNUSED, const char *p, size_t n)
{
	enum looks user = talk_starts(p, n, "USER "), tls = talk_starts(p, n, "AUTH TLS\r");

	return user > tls ? user : tls;
}

const struct speaker speaker_ftp = {
	.state = sizeof(struct ftp), .looks = ftp_looks, .greet = ftp_greet, .input = ftp_input
};

static enum talked data_greet(struct talk *t UNUSED, struct buf *out UNUSED)
{
	return TALK_CLOSE;
}

static enum talked data_input(struct talk *t, struct buf *out UNUSED)
{
	talk_take(t, talk_left(t));
	return TALK_ON;
}

const struct speaker speaker_ftp_data = { .greet = data_greet, .input = data_input };
