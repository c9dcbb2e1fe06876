// A Lua VM with the host's modules and one service loaded into it.
// The VM has no file, process or coroutine functions; require finds the files of a bundle only,
// text and no bytecode; writing or reading an undeclared global is an error. Loop thread only once
// loaded.
#pragma once

#include <lua.h>

#include "api/api.h"
#include "bundle.h"
#include "err.h"

struct script;

// What a service declares about itself, read without running it.
struct script_service {
    char name[64];
    int port;            // for users, as declared
    int inner_port;      // for the sidecar, 0: none
    int workers;         // 0: as the setting says
    int body_limit;      // bytes of a body on the port for users, 0: as usual
    char large_path[64]; // of the one route that takes larger bodies, "": none
    int large_limit;     // bytes of a body there
    int nice;            // 0 to 19: how far its threads stand back behind others
    bool reloads;        // a changed script is taken while it runs
    bool asks_rules;     // requires host.rules
    char rules[256];     // files that it asks, a space between; "" with asks_rules: all
    uint64_t asked;      // a hash of what the sidecar asks once: the subscriptions
};

// The files that a script has asked for, there or not.
struct script_uses {
    char **paths;
    size_t count;
};
void script_uses_free(struct script_uses *uses);

// Whether one of them is not the same in both bundles.
bool script_uses_differ(const struct script_uses *uses, const struct bundle *a,
                        const struct bundle *b);

extern const struct bundle_limits SCRIPT_LIMITS; // of the scripts folder

// Opens a VM around env (which it completes with `main`) and loads nothing yet.
struct script *script_new(struct api_env *env, struct bundle *bundle);
void script_free(struct script *script);

// Reads a service's declaration in a VM that runs nothing; uses may be NULL. With rules (may be
// NULL) it is held against them as it is at its start: they load, and their examples come true.
// Any thread.
MUST_CHECK int script_examine(const struct config *config, struct bundle *bundle,
                              struct rules_bundle *rules, const char *service,
                              struct script_service *declared, struct script_uses *uses,
                              struct err *err);

// Whether the examples of the rules that a service asks come true in these, which stay the
// caller's; those of VMs that are left out in them are not asked. Any thread.
MUST_CHECK int script_try_rules(const struct config *config, struct bundle *bundle,
                                const struct script_service *declared, struct rules *rules,
                                struct err *err);

// Loads <service>/service.lua through lib/service.lua.
MUST_CHECK int script_load(struct script *script, const char *service,
                           struct script_service *declared, struct err *err);

// Pushes the function that answers a request: handle(request) -> status, headers, body, route.
void script_push_handle(struct script *script);

// Pushes the service's start function; false when it has none (nothing pushed).
bool script_push_start(struct script *script);

// Pushes commands.<name> of lib/commands.lua and the words, ready to be called. -1: nothing is
// pushed.
MUST_CHECK int script_push_command(struct script *script, const char *name, char *const *words,
                                   int count, struct err *err);

lua_State *script_state(struct script *script);
