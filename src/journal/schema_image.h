// SPDX-License-Identifier: Apache-2.0
/*
 * schema_image.h - an empty journal.db as bytes, made by mkschema when building
 */
#ifndef BELLJAR_JOURNAL_SCHEMA_IMAGE_H
#define BELLJAR_JOURNAL_SCHEMA_IMAGE_H

extern const unsigned char schema_image[];
extern const unsigned schema_image_size;
extern const unsigned char schema_image_hash[32];

#endif
