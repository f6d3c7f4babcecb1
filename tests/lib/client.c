// SPDX-License-Identifier: Apache-2.0
/*
 * client.c - a static program that talks by system calls of its own, without any library's sockets:
 * client ADDRESS PORT: prints the first line of an answer to an HTTP request, or the error
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char request[] = "GET / HTTP/1.0\r\nHost: by.address\r\n\r\n";
	struct sockaddr_in at = { .sin_family = AF_INET };
	char answer[256] = "";
	long s, k;

	if (argc < 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1)
		return 2;
	at.sin_port = htons((unsigned short)atoi(argv[2]));
	s = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	k = syscall(SYS_connect, s, &at, sizeof(at));
	if (!k)
		k = syscall(SYS_sendto, s, request, sizeof(request) - 1, 0, NULL, 0);
	if (k > 0)
		k = syscall(SYS_recvfrom, s, answer, sizeof(answer) - 1, 0, NULL, NULL);
	if (k < 0)
		printf("%s\n",
		       errno == ECONNRESET || errno == ECONNREFUSED ? "refused" : strerror(errno));
	else
		printf("%.*s\n", (int)strcspn(answer, "\r\n"), answer);
	return 0;
}
