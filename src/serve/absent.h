/* SPDX-License-Identifier: Apache-2.0
 *
 * What to say when there is no model where one was expected: mostly the file is there, under
 * another name or one folder too high. Threading: none of its own. */
#ifndef PN_SERVE_ABSENT_H
#define PN_SERVE_ABSENT_H

#include "base/error.h"

/* @path is neither a file nor a directory. Returns PN_NOT_FOUND or PN_INVALID. */
enum pn_code pn_absent_path(const char *path, struct pn_error *err);

/* The directory @path is no model and holds none. Returns PN_NOT_FOUND. */
enum pn_code pn_absent_model(const char *path, struct pn_error *err);

/* Log that @dir of a repository is passed over: there is neither a version nor a
 * configuration in it. */
void pn_absent_version(const char *dir);

/* Log what may be wrong when the version folder @dir has no model file @expected: a file in it
 * that has another name, or a table that was to be shared. */
void pn_absent_file(const char *dir, const char *expected);

#endif
