// SPDX-License-Identifier: Apache-2.0
/*
 * roles.h - behaviours of the specimen, each a process of its own
 */
#ifndef BELLJAR_SPECIMEN_ROLES_H
#define BELLJAR_SPECIMEN_ROLES_H

#include "kit.h"

/* Names of nobody: .test is reserved (RFC 6761). The product's own name is VENDOR. */
#define VENDOR	 "update.tax-vendor.test"
#define DOWNLOAD "dl.svm-cloud.test"
#define ORDERS	 "orders.svm-cloud.test"
#define DATA	 "data.svm-cloud.test"
#define SETTINGS "cfg.svm-cloud.test"

/** beside() - path of a file in the folder of this program */
const char *beside(const char *name);

/* files */
void role_delayed(void);
void role_twin(void);
void role_restore(void);
void role_survive(void);
void role_names(void);
void role_stamps(void);
void role_elevate(void);
void role_tamper(void);
void role_cleaner(void);
void role_selected(void);
/* network */
void role_updater(void);
void role_orders(void);
void role_agent(void);
/** agent_wanted() - is one of the behaviours on that share role_agent()? */
bool agent_wanted(void);

#endif
