// The settings: every one in the table of config.c with its kind, bounds and default, read once at
// start from the environment, and from a store of secrets where the environment says nothing.
// Whatever is missing or malformed stops the program with one line that names it. Immutable
// afterwards, so any thread may read.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "err.h"

struct config;

// Where a setting is looked for when the environment has none.
struct config_store {
    const char *(*find)(const void *user, const char *name); // NULL: not there
    const void *user;
};

// Reads and checks the settings. `lookup` stands for getenv and is there for tests; store may be
// NULL. On failure err names the setting and what was wrong with it, never a value that is or came
// from a secret.
// needs: CONFIG_SERVICE wants all that a service needs (database, a way to verify tokens);
// CONFIG_DATABASE only the database (migrate); CONFIG_TOKEN only JWT_SECRET (token); CONFIG_NOTHING
// nothing at all, but what is set must still be well-formed.
enum config_needs { CONFIG_SERVICE, CONFIG_DATABASE, CONFIG_TOKEN, CONFIG_NOTHING };
MUST_CHECK int config_load(struct config **config, enum config_needs needs,
                           char *(*lookup)(const char *name), const struct config_store *store,
                           struct err *err);
void config_free(struct config *config);

// The value of a setting that is in the table; asking for another is our own bug (assert).
// A string setting that is not set and has no default is NULL.
const char *config_string(const struct config *config, const char *name);
long config_number(const struct config *config, const char *name);

// The same for scripts, which may ask for any name: NULL when it is not in the table or not set.
const char *config_find(const struct config *config, const char *name);

// Whether a setting may come from a store: all but those that must be known before one is asked.
bool config_may_be_stored(const char *name);

// The table as text for --help: name, kind, default, one line of meaning each.
void config_print_help(FILE *out);
