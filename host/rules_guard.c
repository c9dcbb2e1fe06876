#include "rules_guard.h"

#include <lauxlib.h>
#include <stdio.h>

#include "log.h"

// In Lua, since it goes through a table several times as fast as C does. It calls nothing that a
// rule has made: metatables are read raw, and no two tables are compared but raw.
static const char GUARD[] =
    "local modules, needs, next, type, rawequal, get_metatable, set_metatable = ...\n"
    // Of a file, flat: each table, its values, those that are tables, how many, its metatable.
    "local function collect(name)\n"
    "  local list, seen, waiting, top = {}, {}, {}, 0\n"
    "  local function add(value)\n"
    "    if type(value) == 'table' and not seen[value] then\n"
    "      seen[value] = true\n"
    "      top = top + 1\n"
    "      waiting[top] = value\n"
    "    end\n"
    "  end\n"
    "  add(modules[name])\n"
    "  while top > 0 do\n"
    "    local from, plain, tables, count = waiting[top], {}, {}, 0\n"
    "    top = top - 1\n"
    "    for key, value in next, from do\n"
    "      count = count + 1\n"
    "      add(key)\n"
    "      add(value)\n"
    "      if type(value) == 'table' then tables[key] = value else plain[key] = value end\n"
    "    end\n"
    "    local meta, at = get_metatable(from) or false, #list\n"
    "    add(meta)\n"
    "    list[at + 1], list[at + 2], list[at + 3] = from, plain, tables\n"
    "    list[at + 4], list[at + 5] = count, meta\n"
    "  end\n"
    "  return list\n"
    "end\n"
    "local lists, reach = {}, {}\n"
    "for name in next, modules do lists[name] = collect(name) end\n"
    "local function follow(name, found)\n"
    "  if lists[name] and not found[name] then\n"
    "    found[name] = true\n"
    "    for other in next, needs[name] or {} do follow(other, found) end\n"
    "  end\n"
    "  return found\n"
    "end\n"
    "for name in next, modules do reach[name] = follow(name, {}) end\n"
    // Set again by who requires during a call, and may then reach anything.
    "needs[1] = nil\n"
    "local function is_same(list)\n"
    "  for i = 1, #list, 5 do\n"
    "    local plain, tables, count = list[i + 1], list[i + 2], 0\n"
    "    for key, value in next, list[i] do\n"
    "      count = count + 1\n"
    "      if plain[key] ~= value and not rawequal(tables[key], value) and value == value then\n"
    "        return false\n"
    "      end\n"
    "    end\n"
    "    local meta = get_metatable(list[i]) or false\n"
    "    if count ~= list[i + 3] or not rawequal(meta, list[i + 4]) then return false end\n"
    "  end\n"
    "  return true\n"
    "end\n"
    "local function put_back(list)\n"
    "  for i = 1, #list, 5 do\n"
    "    local to, plain, tables = list[i], list[i + 1], list[i + 2]\n"
    "    set_metatable(to, nil)\n"
    "    for key in next, to do\n"
    "      if plain[key] == nil and tables[key] == nil then to[key] = nil end\n"
    "    end\n"
    "    for key, value in next, plain do to[key] = value end\n"
    "    for key, value in next, tables do to[key] = value end\n"
    "    set_metatable(to, list[i + 4] or nil)\n"
    "  end\n"
    "end\n"
    "return function(name)\n"
    "  local changed\n"
    "  for other in next, not needs[1] and reach[name] or reach do\n"
    "    if not is_same(lists[other]) then\n"
    "      changed = other\n"
    "      put_back(lists[other])\n"
    "    end\n"
    "  end\n"
    "  return changed\n"
    "end\n";

static int get_metatable(lua_State *L) {
    if (!lua_getmetatable(L, 1))
        lua_pushnil(L);
    return 1;
}

static int set_metatable(lua_State *L) {
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 0;
}

int rules_guard_new(lua_State *L, int modules, int needs) {
    if (luaL_loadbuffer(L, GUARD, sizeof GUARD - 1, "=guard") != 0)
        lua_error(L);
    lua_pushvalue(L, modules);
    lua_pushvalue(L, needs);
    lua_getglobal(L, "next");
    lua_getglobal(L, "type");
    lua_getglobal(L, "rawequal");
    lua_pushcfunction(L, get_metatable);
    lua_pushcfunction(L, set_metatable);
    lua_call(L, 7, 1);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

bool rules_guard_check(lua_State *L, int guard, const char *name, char *where, size_t size) {
    int top = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, guard);
    lua_pushstring(L, name);
    bool same = false;
    if (lua_pcall(L, 1, 1, 0) != 0) {
        log_event(LOG_ERROR, "tables of rules cannot be compared", "error", lua_tostring(L, -1),
                  NULL);
        snprintf(where, size, "?");
    } else if (lua_isnil(L, -1)) {
        same = true;
    } else {
        snprintf(where, size, "%s", lua_tostring(L, -1));
    }
    lua_settop(L, top);
    return same;
}
