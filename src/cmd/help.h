// SPDX-License-Identifier: Apache-2.0
/*
 * help.h - the options of each subcommand, in words; a part of the table in main.c
 *
 * `belljar NAME --help` prints them, shell completion is made from them at build time
 * (tools/completion/generate), and a test compares them with the manual pages: a line that begins
 * with two blanks and '-' is an option, "  -x, --long VALUE  what it does".
 */
#ifndef BELLJAR_CMD_HELP_H
#define BELLJAR_CMD_HELP_H

#define HELP_RUN                                                                                   \
	"options:\n"                                                                               \
	"  -b, --box NAME      use the box NAME, made if it is not there, and keep it;\n"          \
	"                      without, the box is removed after its report\n"                     \
	"  -o, --output FILE   write the report to FILE (.html, .json, else text)\n"               \
	"  -q, --quiet         no words of our own, no report on the terminal\n"                   \
	"  --no-judge          do not ask rules about the record at the end of the run\n"          \
	"  --dry-run           print what would be done, and do nothing\n"                         \
	"  --wait              go on until the program's last descendant has ended\n"              \
	"  --root DIR          DIR as root file system, instead of the host's folders\n"           \
	"  --ro SRC[:DST]      show a file or folder of the host, read-only\n"                     \
	"  --rw SRC[:DST]      show it writable: what it holds is not protected\n"                 \
	"  --copy FILE[:DST]   put a copy of FILE into the box (home folder)\n"                    \
	"  --user WHO          root (default), or user: id 1000\n"                                 \
	"  --cwd DIR           working directory in the box\n"                                     \
	"  --env NAME=VALUE    add to the environment, which is else the box's own\n"              \
	"  --net MODE          declared (default): only what is allowed is reached, the rest\n"    \
	"                      meets the sinkhole; closed: all meets it; open: all is reached;\n"  \
	"                      off: no network, attempts are recorded\n"                           \
	"  --net-by WAY        auto (default), tproxy, or slirp: how packets come to the gate\n"   \
	"  --allow NAME[:PORT] may be reached: name, *.name, address or network\n"                 \
	"  --deny NAME[:PORT]  is refused, whatever is allowed\n"                                  \
	"  --policy FILE       rules from a file; a named box keeps its policy\n"                  \
	"  --tls-open NAME     read TLS to NAME by the box's own certificate authority\n"          \
	"  --answers DIR       files and recorded answers that the sinkhole gives\n"               \
	"  --nxdomain-first N  the first N different names do not exist\n"                         \
	"  --sink MANNER       answer (default), refuse, or silent\n"                              \
	"  --speed SPEED       real (default), or lapse: when all in the box wait, its clock\n"    \
	"                      jumps to the moment that they wait for\n"                           \
	"  --until DATE        the box's date at its start; with it, --speed is lapse\n"           \
	"  --idmap KIND        auto (default), or single: emulate ownership\n"                     \
	"  --on-disk           a box without a name on disk, not in memory\n"                      \
	"limits, each with K, M, G, T or s, m, h, d behind the number:\n"                          \
	"  --memory SIZE       all processes together (3/4 of the machine's)\n"                    \
	"  --cpus NUMBER       processor cores, fractions allowed\n"                               \
	"  --pids NUMBER       processes (4096)\n"                                                 \
	"  --disk SIZE         new data (8G)\n"                                                    \
	"  --inodes NUMBER     new files (1 million)\n"                                            \
	"  --time DURATION     wall clock of the run; then exit status 124\n"                      \
	"\n"                                                                                       \
	"Exit status: the program's own; 128+N when signal N ended it.\n"                          \
	"\n"                                                                                       \
	"  belljar run ./setup.run\n"                                                              \
	"  belljar run -b tax --copy setup.deb -- sh -c 'dpkg -i ~/setup.deb'\n"

#define HELP_RESTART                                                                               \
	"options:\n"                                                                               \
	"  --wait DURATION     how long what was started may run (10s); ends earlier when\n"       \
	"                      all has ended\n"                                                    \
	"  --speed SPEED       real (default), or lapse: when all in the box wait, its clock\n"    \
	"                      jumps to the moment that they wait for\n"                           \
	"  --until DATE        the box's date at its start; with it, --speed is lapse\n"           \
	"  --stay              until all has ended, or Ctrl-C\n"                                   \
	"  --time DURATION     limit of the whole run; then exit status 124\n"                     \
	"  -q, --quiet         only the list of what was started\n"                                \
	"\n"                                                                                       \
	"Starts what a boot and a login would start, of what programs in the box put there:\n"     \
	"systemd units, init scripts, rc.local, cron, at, login shells, desktop entries.\n"        \
	"A box in which a program runs is refused (status 112): end that run first.\n"             \
	"\n"                                                                                       \
	"  belljar restart tax\n"                                                                  \
	"  belljar restart tax --stay --time 1h\n"

#define HELP_EXAMINE                                                                               \
	"INSTALLER is a .deb, .rpm, .run or .sh, a tar, zip or folder with an install script,\n"   \
	"an npm package or its folder, an AppImage, or a program. ARGs are its own; files\n"       \
	"among them come along.\n"                                                                 \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  -b, --box NAME      name of the box (from the installer's name); it is kept\n"          \
	"  -o, --output DIR    write the report there: report.txt, report.json, report.html\n"     \
	"  -q, --quiet         no progress, no report on the terminal\n"                           \
	"  --uninstall CMD     how it is removed, for sh -c (else: as its kind is, or by the\n"    \
	"                      script that it left)\n"                                             \
	"  --use CMD           what a user would do with it, for sh -c\n"                          \
	"  --days N            how long it is left alone (1)\n"                                    \
	"  --identity FILE     who the box is: lines 'hostname X', 'machine-id X', 'mac X',\n"     \
	"                      'person X', 'disk X'\n"                                             \
	"  --two-identities    the same again in a second box, NAME-2, that is another machine;\n" \
	"                      rules compare the two\n"                                            \
	"  --resume            go on with an examination that ended early\n"                       \
	"  --report            of the box that follows, and the folder after it, and the second\n" \
	"                      box after that: the report again\n"                                 \
	"\n"                                                                                       \
	"network, as for `run`:\n"                                                                 \
	"  --net MODE          declared (default), closed, open, off\n"                            \
	"  --net-by WAY        auto (default), tproxy or slirp\n"                                  \
	"  --allow NAME[:PORT] may be reached; more than once\n"                                   \
	"  --deny NAME[:PORT]  is refused\n"                                                       \
	"  --policy FILE       the policy is this file (doc/POLICY.md)\n"                          \
	"  --tls-open NAME     TLS to this name is opened by the box's own authority\n"            \
	"  --answers DIR       files and recorded answers that the sinkhole gives\n"               \
	"  --nxdomain-first N  so many different names do not exist, before any resolves\n"        \
	"  --sink HOW          answer (default), refuse or silent\n"                               \
	"\n"                                                                                       \
	"Ctrl-C ends it in order; what was done is on record.\n"                                   \
	"\n"                                                                                       \
	"  belljar examine taxclient.deb\n"                                                        \
	"  belljar examine setup.run --uninstall /opt/tax/remove.sh -- --silent\n"

#define HELP_EVENTS                                                                                \
	"NAME is a box, or the path of a journal.db.\n"                                            \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  --kind KIND         only this kind; more with commas: process,file,socket\n"            \
	"  --pid NUMBER        only this process id, as programs in the box see it\n"              \
	"  --proc KEY          only this process; unlike a pid, a key is never used again\n"       \
	"  --run NUMBER        only this run, from 1\n"                                            \
	"  --since TIME        from here on: 12.5s or 2m after a run's start, 19:24:01,\n"         \
	"                      or 2026-11-23T19:24:01Z; times of day are UTC\n"                    \
	"  --until TIME        up to here\n"                                                       \
	"  --seq A-B           only these numbers; A, A- and -B work too\n"                        \
	"  --sql QUERY         one SELECT over the journal's tables and views instead\n"           \
	"  --json              one JSON object a line\n"                                           \
	"  --no-color          no colours, on a terminal too (as NO_COLOR does)\n"                 \
	"\n"                                                                                       \
	"  belljar events tax --kind socket\n"                                                     \
	"  belljar events tax --kind file,autostart --since 2m --json\n"                           \
	"  belljar events tax --sql 'SELECT image, count(*) FROM process GROUP BY 1'\n"

#define HELP_REPORT                                                                                \
	"NAME is a box, or the path of a journal.db.\n"                                            \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  --format FORMAT     text (default), json, or html: one file that loads nothing\n"       \
	"  --json              the same as --format json\n"                                        \
	"  --html              the same as --format html\n"                                        \
	"  -o, --output FILE   write FILE, all of it or nothing\n"                                 \
	"  --run NUMBER        only this run, from 1 (default: all runs together)\n"               \
	"  --rows NUMBER       lines in a section, the rest is counted (500)\n"                    \
	"  --title TEXT        name in the report, instead of NAME\n"                              \
	"  --no-color          no colours, on a terminal too (as NO_COLOR does)\n"                 \
	"\n"                                                                                       \
	"  belljar report tax\n"                                                                   \
	"  belljar report tax --html -o tax.html\n"

#define HELP_RULES_FROM                                                                            \
	"  --rules DIR         folder of SQL rules, instead of belljar's own\n"                    \
	"  --sigma PATH        Sigma rules: a file or a folder of *.yml; may be repeated\n"        \
	"  --yara PATH         YARA rules: a file or a folder of *.yar, *.yara; may be repeated\n"

#define HELP_JUDGE                                                                                              \
	"NAME is a box, or the path of a journal.db. Each finding has a grade (fact, note,\n"                   \
	"concern, finding), the events that are its evidence, and the innocent explanation.\n"                  \
	"\n"                                                                                                    \
	"options:\n"                                                                                            \
	"  --against NAME      a second record, of another run, copy or identity, to compare\n" HELP_RULES_FROM \
	"  --files             no findings: each program and script that was written or run,\n"                 \
	"                      with format, signer, what it can do, and what it is like\n"                      \
	"  --brief             one line: how many findings of each grade, and the gravest;\n"                   \
	"                      it gives up after ten seconds\n"                                                 \
	"  --min GRADE         leave out what is below it (default: fact)\n"                                    \
	"  --json              as JSON\n"                                                                       \
	"  --no-color          no colours, on a terminal too (as NO_COLOR does)\n"                              \
	"\n"                                                                                                    \
	"Exit status: 0 nothing of grade concern or above, 1 something, 111 no such box.\n"                     \
	"\n"                                                                                                    \
	"  belljar judge tax\n"                                                                                 \
	"  belljar judge tax --sigma ~/sigma/rules --min concern\n"

#define HELP_RULES                                                                                 \
	"  list                all rules, with kind, grade, techniques, and why one is left out\n" \
	"  show ID             one rule: why it matters, the innocent explanation, its text\n"     \
	"  check FILE          is this rule file whole? one sentence for each fault\n"             \
	"  coverage            MITRE ATT&CK techniques and how many rules each has\n"              \
	"\n"                                                                                       \
	"options:\n" HELP_RULES_FROM                                                               \
	"  --attack-layer FILE coverage: write a layer for the ATT&CK Navigator\n"                 \
	"  --json              list, coverage: as JSON\n"                                          \
	"\n"                                                                                       \
	"  belljar rules list --sigma ~/sigma/rules\n"                                             \
	"  belljar rules check my-rule.sql\n"

#define HELP_GATE                                                                                  \
	"read: FILE is a pcap or pcapng file, or - for standard input.\n"                          \
	"With --beacons: which hosts in it contact somebody at times too regular for chance?\n"    \
	"answers: what servers answered the programs of box NAME, as files in the new folder\n"    \
	"DIR, for `belljar run --answers DIR`. Answers that were not kept whole are left out.\n"   \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  --kind KIND[,KIND]  only these: flow, burst, dns, tls, http, banner, gap\n"             \
	"  --json              one JSON object a line\n"                                           \
	"  -q, --quiet         only the count of packets and flows\n"                              \
	"  --beacons           instead: series of contacts, and which are regular\n"               \
	"  --declared FILE     with --beacons: a policy file; what it allows is known\n"           \
	"  --no-color          no colours\n"                                                       \
	"\n"                                                                                       \
	"  belljar gate read capture.pcapng --kind tls,dns\n"                                      \
	"  belljar gate read capture.pcapng --beacons --declared known.policy\n"                   \
	"  belljar gate answers tax ./answers\n"

#define HELP_POLICY                                                                                \
	"show                 the box's policy file\n"                                             \
	"allow WORD…          add rules, and take back what denied the same\n"                   \
	"deny WORD…           add rules, and take back what allowed the same\n"                  \
	"learn                a policy file of what the box's runs contacted, to be edited\n"      \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  -o, --output FILE   learn: write FILE, all of it or nothing; else standard output\n"    \
	"\n"                                                                                       \
	"A WORD is NAME, *.NAME for all below it, ADDRESS or ADDRESS/BITS, each with :PORT for\n"  \
	"one port only. A deny that matches is stronger than every allow. A box that runs\n"       \
	"follows its policy at once, with connections that are open too.\n"                        \
	"\n"                                                                                       \
	"  belljar policy tax allow updates.example.com:443 '*.cdn.example.com'\n"                 \
	"  belljar policy tax learn -o tax.policy\n"

#define HELP_VERIFY                                                                                \
	"NAME is a box, or the path of a journal.db. Without it, belljar plants actions in a\n"    \
	"box of its own, and each of them must be on record.\n"                                    \
	"\n"                                                                                       \
	"options:\n"                                                                               \
	"  --key-dir DIR       folder with the public key that must have signed; default:\n"       \
	"                      this installation's for a box, the journal's own for a file\n"      \
	"  --json              the result as JSON\n"                                               \
	"\n"                                                                                       \
	"Exit status: 0 unchanged, 1 changed, 111 no such box, 114 not readable as a journal.\n"   \
	"\n"                                                                                       \
	"  belljar verify tax\n"                                                                   \
	"  belljar verify ./journal.db --key-dir ~/keys\n"

#define HELP_LIST                                                                                  \
	"options:\n"                                                                               \
	"  --json              as JSON\n"                                                          \
	"\n"                                                                                       \
	"A box is running while a run or a change holds it. The size counts what the box\n"        \
	"itself holds, up to 20000 files, not the base that it shares with others.\n"

#define HELP_SHOW                                                                                  \
	"options:\n"                                                                               \
	"  --json              as JSON, all runs (at most 1000)\n"                                 \
	"\n"                                                                                       \
	"  belljar show tax\n"

#define HELP_SNAPSHOT                                                                              \
	"Freezes the state of files in constant time: a fresh layer on top takes what comes.\n"    \
	"The box must be at rest. `changes --since` and `rollback` take the name.\n"               \
	"\n"                                                                                       \
	"Exit status: 112 when the box is held, 118 when there is a snapshot of that name.\n"      \
	"\n"                                                                                       \
	"  belljar snapshot tax installed\n"

#define HELP_ROLLBACK                                                                              \
	"Goes back to the state of files that SNAPSHOT froze; without one, to the box before\n"    \
	"its first run. Later layers and snapshots are deleted. The record stays, and says so.\n"  \
	"\n"                                                                                       \
	"Exit status: 111 when there is no such snapshot, 112 when the box is held.\n"             \
	"\n"                                                                                       \
	"  belljar rollback tax installed\n"

#define HELP_REMOVE                                                                                \
	"Asks nothing. A box that is held stays, with exit status 112; the others go.\n"           \
	"\n"                                                                                       \
	"  belljar remove tax tax-old\n"

#define HELP_EXPORT                                                                                \
	"options:\n"                                                                               \
	"  -o, --output FILE   write FILE, all of it or nothing; else standard output\n"           \
	"  --pcapng            the packets of a run (the last, or RUN) instead of the box,\n"      \
	"                      with the process of each and what decrypts its TLS\n"               \
	"\n"                                                                                       \
	"The file is a tar archive (pax, zstd) with the layers, snapshots, journal and kept\n"     \
	"objects of the box; owners are those that its programs see. This host's own folders\n"    \
	"are not in it. Sockets and device nodes are left out, and named in export.json.\n"        \
	"\n"                                                                                       \
	"  belljar export tax -o tax.belljar\n"

#define HELP_IMPORT                                                                                \
	"options:\n"                                                                               \
	"  --root DIR          the root file system here, for a box that was made with --root\n"   \
	"\n"                                                                                       \
	"FILE is what export wrote; without it, standard input. Every name in it is checked,\n"    \
	"and nothing is left when one is bad (exit status 114). The box keeps its identity\n"      \
	"and its record; what it does not hold itself comes from this host's folders.\n"           \
	"\n"                                                                                       \
	"  belljar import tax tax.belljar\n"

#define HELP_DOCTOR                                                                                 \
	"options:\n"                                                                                \
	"  --json              as JSON\n"                                                           \
	"\n"                                                                                        \
	"Each feature is tried, not looked up. \"missing\": belljar does not start a box without\n" \
	"it. \"weaker\": it does, and the line says what is lost.\n"                                \
	"\n"                                                                                        \
	"Exit status: 1 when something is missing.\n"

#define HELP_CHANGES                                                                               \
	"options:\n"                                                                               \
	"  --since SNAPSHOT    compare with this snapshot, not with the box's beginning\n"         \
	"  --json              as JSON\n"                                                          \
	"\n"                                                                                       \
	"What the file system holds, whatever the programs said they did. A file that differs\n"   \
	"only in its times is not listed.\n"                                                       \
	"\n"                                                                                       \
	"  belljar changes tax --since installed\n"

#endif
