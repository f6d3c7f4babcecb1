// SPDX-License-Identifier: Apache-2.0
/*
 * outside.c - the host's side of the escape tests: things that must not be reached from a box
 *
 *   outside DIR ABSTRACT POSIX PROGRAM [ARG…]
 *
 * Listens on the abstract socket ABSTRACT, on DIR/socket and on a TCP port of the loopback (its
 * number goes to DIR/port), makes System V and POSIX shared objects, puts a key into a session
 * keyring of its own, and opens DIR/secret as descriptor 9. Then runs PROGRAM with all of this
 * inherited. When it has ended, prints a line for each thing that somebody reached, and removes
 * them all. Exit status: PROGRAM's; 99 when something was reached.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int unix_listener(const char *name, int abstract)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path + abstract, sizeof(a.sun_path) - 1, "%s", name);
	if (bind(s, (void *)&a,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract +
			     strlen(name))) < 0 ||
	    listen(s, 5) < 0) {
		perror(name);
		exit(98);
	}
	if (!abstract)
		chmod(name, 0777);
	return s;
}

static int tcp_listener(const char *port_file)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	FILE *f = fopen(port_file, "we");

	if (!f || bind(s, (void *)&a, n) < 0 || listen(s, 5) < 0 ||
	    getsockname(s, (void *)&a, &n) < 0) {
		perror("tcp");
		exit(98);
	}
	fprintf(f, "%d\n", ntohs(a.sin_port));
	fclose(f);
	setenv("ESCAPE_PORT", "", 1);
	return s;
}

static int reached(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int main(int argc, char **argv)
{
	char path[4096], text[64];
	int unix_path, unix_abstract, tcp, shm, sem, posix, secret, status = 0, bad = 0;
	key_t key = (key_t)(0x6a000000 | (getpid() & 0xffffff));
	char *mem, *pmem;
	mqd_t queue;
	pid_t pid;

	if (argc < 5)
		return 2;
	snprintf(path, sizeof(path), "%s/socket", argv[1]);
	unix_path = unix_listener(path, 0);
	unix_abstract = unix_listener(argv[2], 1);
	snprintf(path, sizeof(path), "%s/port", argv[1]);
	tcp = tcp_listener(path);
	shm = shmget(key, 4096, IPC_CREAT | 0666);
	sem = semget(key, 1, IPC_CREAT | 0666);
	mem = shmat(shm, NULL, 0);
	posix = shm_open(argv[3], O_RDWR | O_CREAT, 0666);
	queue = mq_open(argv[3], O_RDWR | O_CREAT, 0666, NULL);
	if (shm < 0 || sem < 0 || mem == (void *)-1 || posix < 0 || ftruncate(posix, 4096)) {
		perror("shared memory");
		return 98;
	}
	pmem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, posix, 0);
	close(posix);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	syscall(SYS_add_key, "user", "belljar-escape", "secret", 6, KEY_SPEC_SESSION_KEYRING);
	snprintf(path, sizeof(path), "%s/secret", argv[1]);
	secret = open(path, O_RDWR | O_CREAT, 0666);

	pid = fork();
	if (!pid) {
		if (dup2(secret, 9) < 0)
			return 98;
		snprintf(text, sizeof(text), "%d", (int)key);
		setenv("ESCAPE_SHM", text, 1);
		setenv("ESCAPE_SEM", text, 1);
		execvp(argv[4], argv + 4);
		perror(argv[4]);
		return 98;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
#define REACHED(what, is)                                                                          \
	do {                                                                                       \
		if (is)                                                                            \
			bad = printf("reached: %s\n", what);                                       \
	} while (0)
	REACHED("path socket", reached(unix_path));
	REACHED("abstract socket", reached(unix_abstract));
	REACHED("loopback", reached(tcp));
	REACHED("System V shared memory", mem[0] != 0);
	REACHED("POSIX shared memory", pmem[0] != 0);
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	shm_unlink(argv[3]);
	if (queue != (mqd_t)-1)
		mq_unlink(argv[3]);
	return bad ? 99 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
