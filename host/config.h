// The settings: every one in the table of config.c with its kind, bounds and default, read from the
// environment once at start. Whatever is missing or malformed stops the program with one line that
// names it. Immutable afterwards, so any thread may read.
#pragma once

#include <stdio.h>

#include "err.h"

struct config;

// Reads and checks the environment. `lookup` stands for getenv and is there for tests.
// On failure err names the setting and what was wrong with it, never its value if it is a secret.
// needs: CONFIG_SERVICE wants all that a service needs (database, a way to verify tokens);
// CONFIG_DATABASE only the database (migrate); CONFIG_TOKEN only JWT_SECRET (token); CONFIG_NOTHING
// nothing at all, but what is set must still be well-formed.
enum config_needs { CONFIG_SERVICE, CONFIG_DATABASE, CONFIG_TOKEN, CONFIG_NOTHING };
MUST_CHECK int config_load(struct config **config, enum config_needs needs,
                           char *(*lookup)(const char *name), struct err *err);
void config_free(struct config *config);

// The value of a setting that is in the table; asking for another is our own bug (assert).
// A string setting that is not set and has no default is NULL.
const char *config_string(const struct config *config, const char *name);
long config_number(const struct config *config, const char *name);

// The same for scripts, which may ask for any name: NULL when it is not in the table or not set.
const char *config_find(const struct config *config, const char *name);

// The table as text for --help: name, kind, default, one line of meaning each.
void config_print_help(FILE *out);
