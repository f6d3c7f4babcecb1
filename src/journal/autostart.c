// SPDX-License-Identifier: Apache-2.0
/*
 * autostart.c - what an entry of the autostart catalogue says about whether it starts anything
 */
#include <ctype.h>

#include "journal/journal.h"

bool autostart_is_idle(struct str class, struct str place, struct str command)
{
	const char *slash = memrchr(place.p, '/', place.n);
	struct str base = { slash, slash ? (size_t)(place.p + place.n - slash) : 0 };

	if (str_eq(command, STR(AUTOSTART_ASLEEP)))
		return true;
	if (str_eq(command, STR(AUTOSTART_MASKED)))
		return str_starts(class, "systemd-");
	if (str_eq(class, STR("init.d")))
		return base.n > 2 && base.p[1] == 'K' && isdigit((unsigned char)base.p[2]);
	if (str_eq(class, STR("cron")))
		return str_ends(place, ".allow") || str_ends(place, ".deny");
	return str_eq(class, STR("kernel-modules")) && str_starts(command, "blacklist ");
}
