// The files of a rules folder, read once: what every worker makes its VM from, so that all have the
// same. Immutable once read, so any thread may use it while it holds a reference.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "files.h"

enum {
    RULES_MAX_FILES = 256,
    RULES_MAX_FILE_BYTES = 1024 * 1024,
    RULES_MAX_BYTES = 8 * 1024 * 1024,
};

struct rules_bundle;

// Reads the regular files *.lua and *.json of the folder, through links that stay inside of it;
// those whose names begin with ".." are skipped, other names ignored. A folder that has a link
// "..data" (a mounted ConfigMap) is read through it, so that a swap meanwhile changes nothing.
// Blocks on the disk. Fails when there is no .lua file, one has a name that require cannot say, a
// cap is exceeded, a link leaves the folder, or everybody may write a file or a folder that holds
// one (unless the mount is read-only, as a ConfigMap's is, whose folder has mode 0777).
MUST_CHECK int rules_bundle_read(struct rules_bundle **bundle, const char *folder, struct err *err);

struct buf;

// Adds the bundle as one text, and makes one from that again. What was altered is refused: the
// revision says so.
void rules_bundle_pack(const struct rules_bundle *bundle, struct buf *out);
MUST_CHECK int rules_bundle_unpack(struct rules_bundle **bundle, const char *text, size_t len,
                                   struct err *err);

struct rules_bundle *rules_bundle_ref(struct rules_bundle *bundle);
void rules_bundle_unref(struct rules_bundle *bundle);

// SHA-256 over names and contents, in hex.
const char *rules_bundle_revision(const struct rules_bundle *bundle);

// The file of that name ("notify.examples.json"), and of a module's ("notify": notify.lua); NULL:
// there is none.
const struct file *rules_bundle_find(const struct rules_bundle *bundle, const char *name);
const struct file *rules_bundle_module(const struct rules_bundle *bundle, const char *name,
                                       size_t len);

// The revision of some of the files, those with wanted[index].
void rules_bundle_digest(const struct rules_bundle *bundle, const bool *wanted,
                         char digest[FILES_REVISION]);

// In order of their names.
size_t rules_bundle_count(const struct rules_bundle *bundle);
const struct file *rules_bundle_file(const struct rules_bundle *bundle, size_t index);
