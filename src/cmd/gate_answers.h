// SPDX-License-Identifier: Apache-2.0
#ifndef BELLJAR_CMD_GATE_ANSWERS_H
#define BELLJAR_CMD_GATE_ANSWERS_H

/** cmd_gate_answers() - the recorded answers of box @name into the new folder @folder; exit status
 */
int cmd_gate_answers(const char *name, const char *folder);

#endif
