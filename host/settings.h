// Where a command's settings come from: the environment, the folders beside the program, what
// `make run` has left in its data folder, the secret store. What is found becomes a variable of the
// environment, so it is looked for before there are other threads.
#pragma once

#include "config.h"
#include "err.h"

// Where the folder is that holds `file`, when `name` does not say: here, or beside the program.
void settings_find_folder(const char *name, const char *folder, const char *file);

// A setting that `name` does not say, nor `other` (may be NULL) instead of it: from the data folder
// of `make run`, so that a command fits that system.
void settings_find_in_data(const char *name, const char *other, const char *file_name);

// Reads all of them; asks the secret store, where there is one.
MUST_CHECK int settings_load(struct config **config, enum config_needs needs, struct err *err);
