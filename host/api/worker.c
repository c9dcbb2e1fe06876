// host.worker
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "buf.h"

static int draining(lua_State *L) {
    lua_pushboolean(L, api_env(L)->draining);
    return 1;
}

static int uptime(lua_State *L) {
    lua_pushnumber(L, (double)(uv_hrtime() / 1000000 - api_env(L)->started_ms) / 1000.0);
    return 1;
}

static bool is_inside(const char *path) {
    return path[0] != '/' && path[0] && !strstr(path, "..");
}

static int read_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    if (!is_inside(path))
        return luaL_error(L, "read_file takes a path inside the scripts folder, without ..");
    const struct config *config = api_env(L)->config;
    const char *web = strncmp(path, "web/", 4) == 0 ? config_find(config, "WEB_DIR") : NULL;
    struct buf full = {0}, content = {0};
    if (web)
        buf_addf(&full, "%s/%s", web, path + 4);
    else
        buf_addf(&full, "%s/%s", config_string(config, "SCRIPTS_DIR"), path);
    FILE *file = fopen(full.data, "rb");
    buf_free(&full);
    if (!file) {
        lua_pushnil(L);
        lua_pushfstring(L, "cannot read %s", path);
        return 2;
    }
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(&content, chunk, got);
    fclose(file);
    lua_pushlstring(L, content.data ? content.data : "", content.len);
    buf_free(&content);
    return 1;
}

int api_open_worker(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"draining", draining}, {"uptime", uptime}, {"read_file", read_file}, {NULL, NULL}};
    const struct api_env *env = api_env(L);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    lua_pushstring(L, env->service);
    lua_setfield(L, -2, "service");
    lua_pushinteger(L, env->worker_index);
    lua_setfield(L, -2, "index");
    lua_pushinteger(L, env->worker_count);
    lua_setfield(L, -2, "count");
    lua_pushliteral(L, TODO_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
