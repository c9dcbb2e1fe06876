// host.worker
#include <dirent.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api.h"
#include "buf.h"
#include "gzip.h"

static int draining(lua_State *L) {
    lua_pushboolean(L, api_env(L)->draining);
    return 1;
}

static int ending(lua_State *L) {
    const struct api_env *env = api_env(L);
    lua_pushboolean(L, env->draining || env->ending);
    return 1;
}

static int uptime(lua_State *L) {
    lua_pushnumber(L, (double)(uv_hrtime() / 1000000 - api_env(L)->started_ms) / 1000.0);
    return 1;
}

static bool is_inside(const char *path) {
    return path[0] != '/' && path[0] && !strstr(path, "..");
}

// Frees `full`.
static int push_file(lua_State *L, struct buf *full, const char *name) {
    FILE *file = fopen(full->data, "rb");
    buf_free(full);
    if (!file) {
        lua_pushnil(L);
        lua_pushfstring(L, "cannot read %s", name);
        return 2;
    }
    struct buf content = {0};
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(&content, chunk, got);
    fclose(file);
    lua_pushlstring(L, content.data ? content.data : "", content.len);
    buf_free(&content);
    return 1;
}

// `path`, below the folder of the page where it begins with web/, else below the scripts.
static struct buf full_path(lua_State *L, const char *path) {
    const struct config *config = api_env(L)->config;
    const char *web = strncmp(path, "web/", 4) == 0 ? config_find(config, "WEB_DIR") : NULL;
    struct buf full = {0};
    if (web)
        buf_addf(&full, "%s/%s", web, path + 4);
    else
        buf_addf(&full, "%s/%s", config_string(config, "SCRIPTS_DIR"), path);
    return full;
}

static int read_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    if (!is_inside(path))
        return luaL_error(L, "read_file takes a path inside the scripts folder, without ..");
    struct buf full = full_path(L, path);
    return push_file(L, &full, path);
}

enum { MAX_DEPTH = 8 }; // of folders, so that a link in a circle ends

// Adds the plain files below `folder` to `names`, each with `prefix`, ended by NUL.
static int gather(const char *folder, const char *prefix, int depth, struct buf *names) {
    struct dirent **entries;
    int count = depth < MAX_DEPTH ? scandir(folder, &entries, NULL, alphasort) : -1;
    if (count < 0)
        return -1;
    int status = 0;
    for (int i = 0; i < count; i++) {
        struct buf full = {0}, name = {0};
        struct stat info;
        buf_addf(&full, "%s/%s", folder, entries[i]->d_name);
        buf_addf(&name, "%s%s", prefix, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(full.data, &info) == 0) {
            if (S_ISREG(info.st_mode)) {
                buf_add(names, name.data, name.len + 1);
            } else if (S_ISDIR(info.st_mode)) {
                buf_addf(&name, "/");
                if (gather(full.data, name.data, depth + 1, names) != 0)
                    status = -1;
            }
        }
        buf_free(&full);
        buf_free(&name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int list_files(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    size_t len = strlen(path);
    luaL_argcheck(L, is_inside(path) && path[len - 1] == '/', 1, "a folder that ends in /");
    struct buf full = full_path(L, path), names = {0};
    int status = gather(full.data, "", 0, &names);
    buf_free(&full);
    if (status != 0) {
        buf_free(&names);
        lua_pushnil(L);
        lua_pushfstring(L, "cannot list %s", path);
        return 2;
    }
    lua_newtable(L);
    int count = 0;
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
        lua_pushstring(L, names.data + at);
        lua_rawseti(L, -2, ++count);
    }
    buf_free(&names);
    return 1;
}

static int gzip(lua_State *L) {
    size_t len;
    const char *data = luaL_checklstring(L, 1, &len);
    int level = (int)luaL_optinteger(L, 2, GZIP_TIGHT);
    luaL_argcheck(L, level >= GZIP_FAST && level <= GZIP_TIGHT, 2, "1 to 9");
    struct buf packed = {0};
    gzip_pack(data, len, level, &packed);
    lua_pushlstring(L, packed.data, packed.len);
    buf_free(&packed);
    return 1;
}

// A file that a setting names; or one beside it, by a plain name.
static int read_setting_file(lua_State *L) {
    const char *setting = luaL_checkstring(L, 1);
    const char *beside = luaL_optstring(L, 2, NULL);
    luaL_argcheck(L, !beside || (beside[0] && beside[0] != '.' && !strchr(beside, '/')), 2,
                  "the plain name of a file");
    const char *path = config_find(api_env(L)->config, setting);
    if (!path) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s is not set", setting);
        return 2;
    }
    const char *slash = strrchr(path, '/');
    struct buf full = {0};
    if (beside)
        buf_addf(&full, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, beside);
    else
        buf_addf(&full, "%s", path);
    return push_file(L, &full, beside ? beside : path);
}

static int listen_on(lua_State *L) {
    int port = (int)luaL_checkinteger(L, 1);
    lua_Integer body_limit = luaL_optinteger(L, 2, 64 * 1024);
    luaL_argcheck(L, port >= 1 && port <= 65535, 1, "a port is 1 to 65535");
    luaL_argcheck(L, body_limit >= 0, 2, "a limit is not negative");
    const struct api_env *env = api_env(L);
    struct err err;
    if (!env->listen)
        return luaL_error(L, "listen: nothing runs here");
    if (env->listen(env->worker, port, (size_t)body_limit, &err) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_pushboolean(L, true);
    return 1;
}

static int at_end(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct api_env *env = api_env(L);
    if (env->end_count == (int)(sizeof env->end_functions / sizeof *env->end_functions))
        return luaL_error(L, "at_end: too many functions");
    lua_settop(L, 1);
    env->end_functions[env->end_count] = luaL_ref(L, LUA_REGISTRYINDEX);
    env->end_count++;
    return 0;
}

static int services(lua_State *L) {
    const struct api_env *env = api_env(L);
    lua_createtable(L, env->service_count, 0);
    for (int i = 0; i < env->service_count; i++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, env->services[i].name);
        lua_setfield(L, -2, "name");
        lua_pushinteger(L, env->services[i].port);
        lua_setfield(L, -2, "port");
        if (env->services[i].inner_port) {
            lua_pushinteger(L, env->services[i].inner_port);
            lua_setfield(L, -2, "inner_port");
        }
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int api_open_worker(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"draining", draining},
                                         {"ending", ending},
                                         {"uptime", uptime},
                                         {"read_file", read_file},
                                         {"list_files", list_files},
                                         {"gzip", gzip},
                                         {"listen", listen_on},
                                         {"services", services},
                                         {"at_end", at_end},
                                         {"read_setting_file", read_setting_file},
                                         {NULL, NULL}};
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
