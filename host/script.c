#include "script.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

struct script {
    lua_State *L;
    int handle; // registry references
    int start;
};

// What the standard library offers beyond what scripts may use, and the guard of the globals.
static const char PRELUDE[] =
    "local scripts = ...\n"
    "package.path = scripts .. '/?.lua'\n"
    "package.cpath = ''\n"
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

static int panic(lua_State *L) {
    const char *message = lua_tostring(L, -1);
    log_event(LOG_ERROR, "Lua panic", "error", message ? message : "?", NULL);
    abort();
}

struct script *script_new(struct api_env *env) {
    lua_State *L = luaL_newstate();
    if (!L)
        abort();
    lua_atpanic(L, panic);
    luaL_openlibs(L);
    lua_gc(L, LUA_GCSETPAUSE, 150); // of 200: a smaller heap, at no cost that can be measured
    env->main = L;
    api_set_env(L, env);
    api_preload(L);
    if (luaL_loadbuffer(L, PRELUDE, sizeof PRELUDE - 1, "=prelude") != 0)
        panic(L);
    lua_pushstring(L, config_string(env->config, "SCRIPTS_DIR"));
    lua_call(L, 1, 0);
    struct script *script = xcalloc(1, sizeof *script);
    script->L = L;
    script->handle = script->start = LUA_NOREF;
    return script;
}

void script_free(struct script *script) {
    lua_close(script->L);
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
    declared->nice = read_number(L, "nice");
    lua_getfield(L, -1, "handle");
    script->handle = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "start");
    script->start = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    if (declared->port <= 0)
        return err_set(err, "%s/service.lua declares no port", service);
    if (declared->workers < 0 || declared->body_limit < 0)
        return err_set(err, "%s/service.lua: workers and body_limit must not be negative", service);
    if (declared->nice < 0 || declared->nice > 19)
        return err_set(err, "%s/service.lua: nice must be from 0 to 19", service);
    return 0;
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
