// SPDX-License-Identifier: Apache-2.0
/*
 * taxclient.c - the product itself: works as advertised
 *
 *   taxclient           asks its vendor for the tax rates, prints a receipt
 *   taxclient --stop    ends what runs from the product's folder (before it is removed)
 */
#include <ctype.h>
#include <dirent.h>

#include "kit.h"

static int stop(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char link[300], exe[PATH_MAX] = "";
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid <= 1 || pid == getpid())
			continue;
		snprintf(link, sizeof(link), "/proc/%s/exe", e->d_name);
		if (readlink(link, exe, sizeof(exe) - 1) > 0 &&
		    (!strncmp(exe, "/opt/taxclient/", 15) ||
		     !strncmp(exe, "/var/lib/taxclient/", 19)))
			kill(pid, SIGKILL);
	}
	if (d)
		closedir(d);
	return 0;
}

int main(int argc, char **argv)
{
	struct answer a;

	kit_begin("taxclient");
	if (argc == 2 && !strcmp(argv[1], "--stop"))
		return stop();
	ask("www.tax-vendor.test", 80, "GET", "/rates", NULL, &a);
	printf("taxclient: your receipt: 19.00 of 100.00 (%s)\n",
	       a.status == 200 ? "rates are current" : "no rates from the vendor");
	free(a.body);
	return 0;
}
