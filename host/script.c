#include "script.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "lua_state.h"

struct script {
    lua_State *L;
    struct bundle *bundle;
    struct script_uses uses;
    int handle; // registry references
    int start;
};

const struct bundle_limits SCRIPT_LIMITS = {.bytes = 16 * 1024 * 1024, .files = 4096};

// What the standard library offers beyond what scripts may use, and the guard of the globals.
static const char PRELUDE[] =
    "local load_file = ...\n"
    "package.path, package.cpath = '', ''\n"
    "package.loaders = {package.loaders[1], load_file}\n"
    "for _, name in ipairs{'lpeg', 'cjson', 'cjson.safe'} do require(name) end\n"
    "_G.lpeg, _G.cjson = nil, nil\n"
    "for _, name in ipairs{'coroutine', 'io', 'debug', 'dofile', 'loadfile', 'load', "
    "'loadstring',\n"
    "                      'module', 'newproxy', 'collectgarbage', 'jit'} do _G[name] = nil end\n"
    "for _, name in ipairs{'coroutine', 'io', 'debug', 'jit', 'ffi', 'jit.util', 'jit.opt'} do\n"
    "  package.loaded[name] = nil\n"
    "  package.preload[name] = nil\n"
    "end\n"
    "_G.os = {time = os.time, clock = os.clock, date = os.date, getenv = nil}\n"
    "package.loaded.os = _G.os\n"
    "setmetatable(_G, {\n"
    "  __index = function(_, name) error('undeclared global ' .. tostring(name), 2) end,\n"
    "  __newindex = function(_, name) error('new global ' .. tostring(name), 2) end,\n"
    "})\n";

// `next` and `pairs` as plain C functions. LuaJIT's own are compiled, and the code that Debian 12's
// makes of them loses half of a pointer at times (LuaJIT #829), which ends the process.

static int plain_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

// Upvalue: plain_next.
static int plain_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static void replace_next(lua_State *L) {
    lua_pushcfunction(L, plain_next);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "next");
    lua_pushcclosure(L, plain_pairs, 1);
    lua_setglobal(L, "pairs");
}

static int panic(lua_State *L) {
    const char *message = lua_tostring(L, -1);
    log_event(LOG_ERROR, "Lua panic", "error", message ? message : "?", NULL);
    abort();
}

// Whatever require asks for.

static void note_use(struct script_uses *uses, const char *path) {
    uses->paths = xrealloc(uses->paths, (uses->count + 1) * sizeof *uses->paths);
    uses->paths[uses->count++] = xstrdup(path);
}

void script_uses_free(struct script_uses *uses) {
    for (size_t i = 0; i < uses->count; i++)
        free(uses->paths[i]);
    free(uses->paths);
    *uses = (struct script_uses){0};
}

bool script_uses_differ(const struct script_uses *uses, const struct bundle *a,
                        const struct bundle *b) {
    for (size_t i = 0; i < uses->count; i++)
        if (!bundle_same_file(a, b, uses->paths[i]))
            return true;
    return false;
}

// The loader of package.loaders: gives the function of a file, or says why there is none.
static int load_file(lua_State *L) {
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    const char *path = lua_pushfstring(L, "%s.lua", luaL_gsub(L, name, ".", "/"));
    size_t len;
    note_use(&script->uses, path);
    const char *bytes = bundle_find(script->bundle, path, &len);
    const char *folder = bundle_folder(script->bundle);
    if (!bytes) {
        lua_pushfstring(L, "\n\tno file '%s/%s'", folder, path);
        return 1;
    }
    const char *chunk = lua_pushfstring(L, "@%s/%s", folder, path);
    if (len > 0 && bytes[0] == LUA_SIGNATURE[0])
        return luaL_error(L, "%s is bytecode, and only text is loaded", chunk + 1);
    if (luaL_loadbuffer(L, bytes, len, chunk) == 0)
        return 1;
    return luaL_error(L, "error loading module '%s':\n\t%s", name, lua_tostring(L, -1));
}

struct script *script_new(struct api_env *env, struct bundle *bundle) {
    lua_State *L = lua_state_new();
    lua_atpanic(L, panic);
    luaL_openlibs(L);
    replace_next(L);
    lua_gc(L, LUA_GCSETPAUSE, 150); // of 200: a smaller heap, at no cost that can be measured
    env->main = L;
    api_set_env(L, env);
    api_preload(L);
    if (luaL_loadbuffer(L, PRELUDE, sizeof PRELUDE - 1, "=prelude") != 0)
        panic(L);
    struct script *script = xcalloc(1, sizeof *script);
    script->bundle = bundle_hold(bundle);
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, load_file, 1);
    lua_call(L, 1, 0);
    script->L = L;
    script->handle = script->start = LUA_NOREF;
    return script;
}

void script_free(struct script *script) {
    lua_state_close(script->L);
    script_uses_free(&script->uses);
    bundle_release(script->bundle);
    free(script);
}

static int add_traceback(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    luaL_traceback(L, L, message ? message : "(an error that is not a string)", 1);
    return 1;
}

static int call(lua_State *L, int args, int results, struct err *err) {
    int base = lua_gettop(L) - args;
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, base);
    int status = lua_pcall(L, args, results, base);
    lua_remove(L, base);
    if (status == 0)
        return 0;
    const char *message = lua_tostring(L, -1);
    err_set(err, "%s", message ? message : "?");
    lua_pop(L, 1);
    return -1;
}

// Pushes require(module)[function].
static int push_function(lua_State *L, const char *module, const char *function, struct err *err) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (call(L, 1, 1, err) != 0)
        return -1;
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
    if (lua_isfunction(L, -1))
        return 0;
    lua_pop(L, 1);
    return err_set(err, "%s has no function %s", module, function);
}

static int read_number(lua_State *L, const char *field) {
    lua_getfield(L, -1, field);
    int number = lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    return number;
}

static uint64_t hash(const char *text) { // FNV-1a
    uint64_t value = 14695981039346656037u;
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 1099511628211u;
    return value;
}

static bool has_required(lua_State *L, const char *module) {
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(L, -1, module);
    bool has = !lua_isnil(L, -1);
    lua_pop(L, 2);
    return has;
}

int script_load(struct script *script, const char *service, struct script_service *declared,
                struct err *err) {
    lua_State *L = script->L;
    if (push_function(L, "lib.service", "open", err) != 0)
        return -1;
    lua_pushstring(L, service);
    if (call(L, 1, 1, err) != 0)
        return -1;
    snprintf(declared->name, sizeof declared->name, "%s", service);
    declared->port = read_number(L, "port");
    declared->inner_port = read_number(L, "inner_port");
    declared->workers = read_number(L, "workers");
    declared->body_limit = read_number(L, "body_limit");
    declared->large_limit = read_number(L, "large_limit");
    declared->nice = read_number(L, "nice");
    lua_getfield(L, -1, "large_path");
    snprintf(declared->large_path, sizeof declared->large_path, "%s", luaL_optstring(L, -1, ""));
    lua_pop(L, 1);
    lua_getfield(L, -1, "reloads");
    declared->reloads = lua_toboolean(L, -1);
    lua_getfield(L, -2, "asked");
    declared->asked = hash(luaL_optstring(L, -1, ""));
    lua_pop(L, 2);
    lua_getfield(L, -1, "rules");
    size_t length;
    const char *rules = luaL_optlstring(L, -1, "", &length);
    snprintf(declared->rules, sizeof declared->rules, "%s", rules);
    lua_pop(L, 1);
    if (length >= sizeof declared->rules)
        return err_set(err, "%s/service.lua declares too many rules", service);
    lua_getfield(L, -1, "handle");
    script->handle = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "start");
    script->start = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    if (declared->port <= 0)
        return err_set(err, "%s/service.lua declares no port", service);
    if (declared->workers < 0 || declared->body_limit < 0 || declared->large_limit < 0)
        return err_set(err, "%s/service.lua: workers and body_limit must not be negative", service);
    if (declared->nice < 0 || declared->nice > 19)
        return err_set(err, "%s/service.lua: nice must be from 0 to 19", service);
    struct api_rules *held = api_env(L)->rules;
    declared->asks_rules = has_required(L, "host.rules");
    if (held && declared->asks_rules && !held->slot.live) // it does not say which files
        return api_load_rules(held, NULL, err);
    return 0;
}

int script_examine(const struct config *config, struct bundle *bundle, struct rules_bundle *rules,
                   const char *service, struct script_service *declared, struct script_uses *uses,
                   struct err *err) {
    struct api_env env = {.config = config, .service = service, .worker_count = 1};
    struct api_rules held = {.bundle = rules};
    env.rules = rules ? &held : NULL;
    env.metrics = metrics_shard_new(service);
    struct script *script = script_new(&env, bundle);
    int status = script_load(script, service, declared, err);
    if (uses) {
        *uses = script->uses;
        script->uses = (struct script_uses){0};
    }
    env.closing = true;
    script_free(script);
    rules_slot_free(&held.slot);
    metrics_shard_free(env.metrics);
    return status;
}

// run_all of lib/rule_examples.lua.
static int run_examples(lua_State *L, const char *files, const struct rules *rules,
                        struct err *err) {
    if (push_function(L, "lib.rule_examples", "run_all", err) != 0)
        return -1;
    lua_newtable(L);
    for (int i = 1; *(files += strspn(files, " "));) {
        size_t len = strcspn(files, " ");
        if (!rules_is_left_out(rules, files, len)) {
            lua_pushlstring(L, files, len);
            lua_rawseti(L, -2, i++);
        }
        files += len;
    }
    if (call(L, 1, 2, err) != 0)
        return -1;
    if (lua_toboolean(L, -2))
        return 0;
    return err_set(err, "%s", lua_tostring(L, -1));
}

int script_try_rules(const struct config *config, struct bundle *bundle,
                     const struct script_service *declared, struct rules *rules, struct err *err) {
    struct api_env env = {.config = config, .service = declared->name, .worker_count = 1};
    struct api_rules held = {.slot = {.live = rules}};
    env.rules = &held;
    env.metrics = metrics_shard_new(declared->name);
    struct script *script = script_new(&env, bundle);
    int status = run_examples(script->L, declared->rules, rules, err);
    env.closing = true;
    script_free(script);
    metrics_shard_free(env.metrics);
    return status;
}

void script_push_handle(struct script *script) {
    lua_rawgeti(script->L, LUA_REGISTRYINDEX, script->handle);
}

bool script_push_start(struct script *script) {
    lua_rawgeti(script->L, LUA_REGISTRYINDEX, script->start);
    if (lua_isfunction(script->L, -1))
        return true;
    lua_pop(script->L, 1);
    return false;
}

int script_push_command(struct script *script, const char *name, char *const *words, int count,
                        struct err *err) {
    lua_State *L = script->L;
    if (!lua_checkstack(L, count + 8))
        return err_set(err, "%s: too many words", name);
    if (push_function(L, "lib.commands", name, err) != 0)
        return -1;
    for (int i = 0; i < count; i++)
        lua_pushstring(L, words[i]);
    return 0;
}

lua_State *script_state(struct script *script) {
    return script->L;
}
