// The files of a folder as they were at one moment: read once, never changed, shared by all who
// load from them, so that every worker gets the same bytes. Names that begin with a dot are passed
// over (an editor's files, the `..data` of a ConfigMap); links are followed.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "files.h"

struct bundle;

enum { BUNDLE_REVISION = FILES_REVISION };

struct bundle_limits {
    size_t bytes; // of all files together
    size_t files;
};

// Reads all *.lua below the folder. Fails when it cannot be read, is over a limit, or keeps on
// changing while it is read. The bundle has one holder.
MUST_CHECK int bundle_read(struct bundle **bundle, const char *folder,
                           const struct bundle_limits *limits, struct err *err);

// One more holder, and one less; the last one frees it. Any thread.
struct bundle *bundle_hold(struct bundle *bundle);
void bundle_release(struct bundle *bundle);

// The bytes of a file by its path below the folder; NULL: it has none such.
const char *bundle_find(const struct bundle *bundle, const char *path, size_t *len);

// Whether that file is the same in both, or in neither. A bundle of NULL has no files.
bool bundle_same_file(const struct bundle *a, const struct bundle *b, const char *path);

// Whether all files below `prefix` ("audit-service/") are the same.
bool bundle_same_below(const struct bundle *a, const struct bundle *b, const char *prefix);

// The files in the order of their paths.
size_t bundle_count(const struct bundle *bundle);
const char *bundle_path(const struct bundle *bundle, size_t index);

// What the names and bytes of all files make.
const char *bundle_revision(const struct bundle *bundle);

// The folder it was read from.
const char *bundle_folder(const struct bundle *bundle);
