// How the rules change while the program runs: new ones that prove themselves in every service are
// taken by all workers between two calls; when too many of their calls fail soon afterwards, those
// before come back; and an operator may go back (rollback.h). What is wrong is a log line and told
// to revision.h. The reload thread alone.
#pragma once

#include <stdbool.h>

#include "config.h"
#include "fleet.h"
#include "rules_bundle.h"

struct reload_rules;

// rules: what the workers were started with; NULL: none, and none are ever taken. refused: the
// revision that their folder held instead, or "". The fleet and the config outlive it.
struct reload_rules *reload_rules_new(const struct config *config, struct fleet *fleet,
                                      struct rules_bundle *rules, const char *refused);
void reload_rules_free(struct reload_rules *rules);

const char *reload_rules_folder(const struct reload_rules *rules);

// What is live, or NULL.
struct rules_bundle *reload_rules_live(const struct reload_rules *rules);

// Once, before all that follows: keeps a copy of what is live (rules_store.h).
void reload_rules_begin(struct reload_rules *rules);

// Within how many ms to call reload_rules_judge; 0: it has nothing to judge.
int reload_rules_patience(const struct reload_rules *rules);

// Takes rules back of which too many calls have failed.
void reload_rules_judge(struct reload_rules *rules);

// Does what an operator asked for, if one did.
void reload_rules_obey(struct reload_rules *rules);

// Reads the folder, and takes what is new in it. `asked`: also what was refused before.
void reload_rules_look(struct reload_rules *rules, bool asked);
