// A command whose meaning is the scripts': a function of lib/commands.lua that runs in a fiber, so
// that it may wait, on a loop of its own with a database pool and an HTTP client. Blocks.
#pragma once

#include <stdbool.h>

#include "buf.h"
#include "config.h"
#include "err.h"

struct api_service;

// What a command ends with, as the program does.
enum command_status { COMMAND_DONE, COMMAND_FAILED, COMMAND_MISUSED };

struct command_options {
    const char *name;
    char *const *words;
    int count;
    bool needs_database;                // it runs once there is a connection, within 10 s
    const struct api_service *services; // what host.worker says of them; may be NULL
    int service_count;
};

// Runs commands.<name>(words…), which has 30 s. It returns the text to print or nil, a sentence of
// what went wrong or nil, and what the program ends with: nothing (0 where there is text, else 1),
// a status, or true (2: the words were at fault). err is empty where there is no sentence.
MUST_CHECK enum command_status command_execute(const struct config *config,
                                               const struct command_options *options,
                                               struct buf *out, struct err *err);
