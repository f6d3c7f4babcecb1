// SPDX-License-Identifier: Apache-2.0
/*
 * planted_sql.h - the words in which planted.def says what must be on record
 *
 * A condition is evaluated with PLANTED_PRELUDE before it and one parameter, the action's name.
 */
#ifndef BELLJAR_SPECIMEN_PLANTED_SQL_H
#define BELLJAR_SPECIMEN_PLANTED_SQL_H

#define PLANTED_PRELUDE                                                                            \
	"WITH RECURSIVE act(p, d) AS (SELECT proc, cwd FROM process WHERE op='exec'"               \
	" AND command_line GLOB '*--action ' || ?1),"                                              \
	" kin(p, n) AS (SELECT p, 0 FROM act UNION"                                                \
	" SELECT b.proc, n + 1 FROM process b JOIN kin ON b.parent = kin.p WHERE b.op = 'fork')"

#define ME	    "(SELECT p FROM act)"
#define KIN	    "(SELECT p FROM kin)"
#define NTH(births) "(SELECT p FROM kin WHERE n=" #births ")"
#define D	    "(SELECT d FROM act)"
#define OWN_SHA256                                                                                 \
	"(SELECT sha256 FROM process WHERE op='exec' AND proc IN " ME                              \
	" AND command_line GLOB '*--action *')"

#define EXISTS(table, where) "EXISTS(SELECT 1 FROM " table " WHERE " where ")"
#define COUNT(table, where)  "(SELECT count(*) FROM " table " WHERE " where ")"

#define FILE_BY(who, op, name)                                                                     \
	EXISTS("file", "op='" op "' AND path=" D "||'/" name "' AND proc IN " who)
#define FILE(op, name) FILE_BY(ME, op, name)
#define FILE2(op, from, to)                                                                        \
	EXISTS("file", "op='" op "' AND proc IN " ME " AND path=" D "||'/" from "' AND path2=" D   \
		       "||'/" to "'")
#define ADDED(name)	  EXISTS("change", "op='added' AND path=" D "||'/" name "' AND writer IN " KIN)
#define MADE(name)	  FILE("create", name) " AND " ADDED(name)
#define SIZE(name, bytes) EXISTS("change", "path=" D "||'/" name "' AND size=" bytes)
/* PLANTED_SECOND in nanoseconds */
#define STAMP "987654321000000000"
#define MODE(name, bits)                                                                           \
	EXISTS("file", "op='chmod' AND proc IN " ME " AND path=" D "||'/" name "' AND mode=" bits) \
	" AND " EXISTS("change", "path=" D "||'/" name "' AND mode & 4095=" bits)
#define XATTR(op)                                                                                  \
	EXISTS("file", "op='" op "' AND proc IN " ME " AND path=" D                                \
		       "||'/f' AND detail GLOB '*user.planted*'")
#define NAMED(hex)                                                                                 \
	EXISTS("file", "op='create' AND proc IN " ME " AND hex(path)=hex(" D "||'/')||'" hex "'")  \
	" AND " EXISTS("change",                                                                   \
		       "op='added' AND hex(path)=hex(" D "||'/')||'" hex "' AND writer IN " ME)
#define EXEC_BY(who, line)                                                                         \
	EXISTS("process", "op='exec' AND proc IN " who " AND command_line='" line "'")
#define SCRIPT(name, image)                                                                        \
	EXISTS("process", "op='exec' AND proc IN " ME " AND script=" D "||'/" name                 \
			  "' AND length(script_sha256)=64 AND image GLOB " image)
#define SIGNALLED(call, number)                                                                    \
	EXISTS("signal",                                                                           \
	       "call='" call "' AND signal=" number " AND proc IN " ME " AND target IN " NTH(1))
#define TALK(op, family, protocol, address, port)                                                  \
	EXISTS("socket", "op='" op "' AND family='" family "' AND protocol='" protocol             \
			 "' AND address='" address "' AND port=" port " AND proc IN " ME)
#define FAMILY(family) EXISTS("socket", "op='socket' AND family='" family "' AND proc IN " ME)
#define WALL(category, call)                                                                       \
	EXISTS("attempt",                                                                          \
	       "category='" category "' AND call='" call "' AND proc IN " ME " AND answer<>''")

#define PLANTED_TEXT_(x) #x
#define PLANTED_TEXT(x)	 PLANTED_TEXT_(x)
#define FLOOD(what)	 PLANTED_TEXT(FLOOD_##what)

#endif
