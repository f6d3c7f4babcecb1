// SPDX-License-Identifier: Apache-2.0
/*
 * event_fields.h - positions of fields: FILE_PATH is the index of path in EV_FILE's values
 *
 * One run over event.def numbers all fields in a row; a KIND opens with its own start mark, so a
 * position is the distance from it: EV_AT(FILE, PATH).
 */
#ifndef BELLJAR_JOURNAL_EVENT_FIELDS_H
#define BELLJAR_JOURNAL_EVENT_FIELDS_H

enum event_field_row {
	EVROW_FIRST = -1,
#define KIND(number, NAME, table, meaning)	 EVROW_##NAME, EVROW_##NAME##_start = EVROW_##NAME,
#define FIELD(KIND, NAME, column, type, meaning) EVROW_##KIND##_##NAME,
#include "journal/event.def"
#undef KIND
#undef FIELD
};

/* EV_AT(FILE, PATH): position of that field in struct event's v[] */
#define EV_AT(KIND, NAME) (EVROW_##KIND##_##NAME - EVROW_##KIND##_start - 1)

#endif
