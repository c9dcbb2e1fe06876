// A command whose meaning is the scripts': a function of lib/commands.lua that runs in a fiber, so
// that it may wait, on a loop of its own with a database pool and an HTTP client. Blocks.
#pragma once

#include <stdbool.h>

#include "buf.h"
#include "config.h"
#include "err.h"

// What a command ends with, as the program does.
enum command_status { COMMAND_DONE, COMMAND_FAILED, COMMAND_MISUSED };

// Runs commands.<name>(words…): it returns the text to print, or nil and a sentence, and a third
// value of true where the words were at fault. needs_database: it runs once there is a connection,
// and fails when there is none within 10 s. It has 30 s in all.
MUST_CHECK enum command_status command_execute(const struct config *config, const char *name,
                                               char *const *words, int count, bool needs_database,
                                               struct buf *out, struct err *err);
