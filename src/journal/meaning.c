// SPDX-License-Identifier: Apache-2.0
/*
 * meaning.c - what some events say beside their fields, for all who read them
 */
#include <ctype.h>

#include "journal/event_fields.h"
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

bool event_run_date(const struct event *ev, uint64_t *ret)
{
	const struct val *cause = &ev->v[EV_AT(CLOCK, CAUSE)], *date = &ev->v[EV_AT(CLOCK, DATE)];

	if (ev->kind != EV_CLOCK || cause->type != VAL_TEXT || date->type != VAL_INT ||
	    !str_eq(cause->s, STR("date")))
		return false;
	*ret = (uint64_t)date->i - ev->t;
	return true;
}
