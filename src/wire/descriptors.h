/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of proto/ as the build compiled them, for reflection: a serialized
 * google.protobuf.FileDescriptorSet, imports before what imports them.
 * Source: google/protobuf/descriptor.proto (field numbers). Threading: const. */
#ifndef PN_WIRE_DESCRIPTORS_H
#define PN_WIRE_DESCRIPTORS_H

#include "base/pb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint8_t pn_wire_files[];
extern const size_t pn_wire_files_bytes;

/* Call @visit for each file until it returns false. */
void pn_wire_files_each(bool (*visit)(void *ctx, struct pn_span file), void *ctx);

/* The file of that name, or the one that defines a fully qualified symbol: a message, enum,
 * service, method or field. False when there is none. */
bool pn_wire_file_named(const char *name, struct pn_span *out);
bool pn_wire_file_defining(const char *symbol, struct pn_span *out);

/* Call @visit with the name of each file that @file imports / each service it defines (full
 * name). Names are cut at 127 bytes. */
void pn_wire_file_imports(
    struct pn_span file, void (*visit)(void *ctx, const char *name), void *ctx);
void pn_wire_file_services(
    struct pn_span file, void (*visit)(void *ctx, const char *name), void *ctx);

#endif
