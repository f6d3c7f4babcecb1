// SPDX-License-Identifier: Apache-2.0
/*
 * taxclient.c - the product itself: works as advertised
 *
 *   taxclient           asks its vendor for the tax rates, prints a receipt
 *   taxclient --stop    ends what runs from the product's folder (before it is removed)
 */
#include "kit.h"

int main(int argc, char **argv)
{
	struct answer a;

	kit_begin("taxclient");
	if (argc == 2 && !strcmp(argv[1], "--stop")) {
		stop_below("/opt/taxclient/");
		stop_below("/var/lib/taxclient/");
		return 0;
	}
	ask("www.tax-vendor.test", 80, "GET", "/rates", NULL, &a);
	printf("taxclient: your receipt: 19.00 of 100.00 (%s)\n",
	       a.status == 200 ? "rates are current" : "no rates from the vendor");
	free(a.body);
	return 0;
}
