// What the Lua modules of the host share: where a module finds its worker's parts, and small
// helpers. Each module is one file that offers api_open_<name>, a function like luaopen_*: it
// leaves the module's table on the stack. A binding has three paragraphs: check the arguments (may
// throw), start (plain C, cannot throw), yield. Nothing is owned while Lua may throw.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

#include "config.h"
#include "db.h"
#include "fiber.h"
#include "http_client.h"
#include "http_server.h"
#include "metrics.h"
#include "rules.h"
#include "shadow.h"

struct sleep;

// A service that runs in this process, with its real ports.
struct api_service {
    const char *name;
    int port, inner_port; // 0: none
};

// A worker's business rules. The slot is empty until a service that asks some is loaded; then they
// are made from the bundle.
struct api_rules {
    struct rules_slot slot;
    struct rules_bundle *bundle; // NULL: there are none
    struct shadow_seat shadow;
};

// Sees to it that the rules' VM is there and holds these files (NULL: all), as rules_limits.only
// names them.
MUST_CHECK int api_load_rules(struct api_rules *rules, const char *only, struct err *err);

// One per VM; lives as long as it and as the operations that it has begun.
struct api_env {
    lua_State *main; // not a fiber's
    uv_loop_t *loop; // NULL where nothing runs (a script being examined)
    const struct config *config;
    struct db *db;             // NULL likewise
    struct http_client *http;  // NULL likewise
    struct fiber_pool *fibers; // NULL likewise
    struct metric_shard *metrics;
    struct api_rules *rules; // the worker's, for all its generations; NULL: none may be asked
    const char *service;
    int worker_index;
    int worker_count;
    uint64_t started_ms;  // loop-independent monotonic time at which the process started
    bool draining;        // written by the worker's thread: the program stops
    bool ending;          // likewise: another generation takes over what runs in the background
    struct sleep *sleeps; // of api/fiber.c: those that have not ended
    bool closing;         // the VM is going away: completions drop what they bring
    int end_functions[8]; // registry references: to run before the VM goes away
    int end_count;
    const struct api_service *services; // that run in this process
    int service_count;
    // Opens one more listener on loopback, whose requests come to the service's handle. NULL where
    // nothing runs.
    int (*listen)(void *worker, int port, size_t body_limit, struct err *err);
    void *worker;
    int operations;                       // that have not ended
    void (*on_idle)(struct api_env *env); // the VM is gone and so is the last of them; may be NULL
};

// An operation begins and ends; the env lives at least as long.
void api_begin(struct api_env *env);
void api_end(struct api_env *env);

// The env of a VM is set once, before any module is opened.
void api_set_env(lua_State *L, struct api_env *env);
struct api_env *api_env(lua_State *L);

// Throws when L is not in a fiber: "name waits, and may only be called while a request or timer
// runs".
void api_need_fiber(lua_State *L, const char *name);

// Pushes nil and {code = code, message = message}; returns 2.
int api_push_error(lua_State *L, const char *code, const char *message);

// Opens every module into package.preload.
void api_preload(lua_State *L);

int api_open_bus(lua_State *L);
int api_open_config(lua_State *L);
int api_open_db(lua_State *L);
int api_open_failpoint(lua_State *L); // in test builds only
int api_open_fiber(lua_State *L);
int api_open_http(lua_State *L);
int api_open_log(lua_State *L);
int api_open_metrics(lua_State *L);
int api_open_revision(lua_State *L);
int api_open_rules(lua_State *L);
int api_open_timer(lua_State *L);
int api_open_worker(lua_State *L);

// Ends the timers of sleeping fibers, which would keep the loop alive; the VM is going away.
void api_end_sleeps(struct api_env *env);

// A stream handle as a Lua object: write(text) -> boolean, alive() -> boolean, close().
// The object owns the stream: it is closed at the latest when it is collected.
void api_push_stream(lua_State *L, struct http_stream *stream);
