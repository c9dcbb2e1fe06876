// Files held in memory: their names, their bytes, and the revision that these make. One thread adds
// to them and seals them; from then on they never change, and any thread that holds them may read.
// What they are of, and which are let in, is the business of bundle.h and rules_bundle.h.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { FILES_REVISION = 65 }; // bytes of a revision: SHA-256 in hexadecimal, and the NUL

struct file {
    char *name;
    char *text; // with a NUL after its end
    size_t len;
};

struct files { // part of its owner's own struct
    atomic_int holders;
    struct file *list; // in order of their names, once sealed
    size_t count;
    size_t bytes; // of all together
    char revision[FILES_REVISION];
};

// No files, one holder.
void files_init(struct files *files);

// The text is theirs from then on.
void files_add(struct files *files, const char *name, size_t name_len, char *text, size_t len);

// Orders them, and makes the revision.
void files_seal(struct files *files);

// The revision that only some of them would have: those with wanted[index]; NULL: all.
void files_digest(const struct files *files, const bool *wanted, char digest[FILES_REVISION]);

// The one of that name, or NULL.
const struct file *files_find(const struct files *files, const char *name);

// One more holder, and one less. True: that was the last one, and they are freed; free what they
// are part of.
void files_hold(struct files *files);
bool files_release(struct files *files);
