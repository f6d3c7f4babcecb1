// SPDX-License-Identifier: Apache-2.0
/*
 * cleaner.c - the specimen's other "download": removes a fixed list of the specimen's own files,
 * and itself
 */
#include "kit.h"

int main(void)
{
	static const char *const traces[] = {
		"/opt/taxclient/plugins/manager", "/opt/taxclient/plugins/collect",
		"/opt/taxclient/plugins/report",  "/var/log/taxclient/client.log",
		"/var/log/taxclient/plugins.log", "/opt/taxclient/plugins/cleaner",
	};

	kit_begin("cleaner");
	for (size_t i = 0; i < sizeof(traces) / sizeof(*traces); i++)
		unlink(traces[i]);
	rmdir("/opt/taxclient/plugins");
	return 0;
}
