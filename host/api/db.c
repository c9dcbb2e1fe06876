// host.db
#include "../db.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "buf.h"

enum { WAIT_MS = 10000, MAX_PARAMS = 64, MAX_STATEMENTS = 64 };

struct session {
    struct db_session *handle; // NULL: closed
    struct api_env *env;
    struct op *op; // under way: the session's end drops it
};

struct op {
    struct api_env *env;
    struct fiber_token token;
    bool batch;              // answer with a list of row lists
    struct session *session; // of a session: its object is on the waiting fiber's stack
    const struct db_result *result;
};

// Values in.

// PostgreSQL's array literal: every element quoted.
static void push_array(lua_State *L, int index) {
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    luaL_addchar(&out, '{');
    int count = (int)lua_objlen(L, index);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i);
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        if (!text)
            luaL_error(L, "a list for PostgreSQL may hold strings only, not %s",
                       luaL_typename(L, -1));
        lua_remove(L, -1); // the list keeps the string alive
        luaL_addstring(&out, i > 1 ? ",\"" : "\"");
        for (size_t c = 0; c < len; c++) {
            if (text[c] == '"' || text[c] == '\\')
                luaL_addchar(&out, '\\');
            luaL_addchar(&out, text[c]);
        }
        luaL_addchar(&out, '"');
    }
    luaL_addchar(&out, '}');
    luaL_pushresult(&out);
}

// Replaces the value at `index` by its text, or by nil for NULL.
static void to_text(lua_State *L, int index) {
    switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TSTRING:
        return;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "t" : "f");
        break;
    case LUA_TNUMBER: {
        lua_Number number = lua_tonumber(L, index);
        char text[32];
        snprintf(text, sizeof text, "%.17g", number);
        lua_pushstring(L, text);
        break;
    }
    case LUA_TTABLE:
        push_array(L, index);
        break;
    default:
        if (lua_type(L, index) != LUA_TLIGHTUSERDATA || lua_touserdata(L, index))
            luaL_error(L, "a %s is no value for PostgreSQL", luaL_typename(L, index));
        lua_pushnil(L);
    }
    lua_replace(L, index);
}

static const char *text_at(lua_State *L, int index) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    if (text && strlen(text) != len)
        luaL_error(L, "a NUL byte in a value for PostgreSQL");
    return text;
}

// Reads sql at `first` and the values behind it up to `last`.
static struct db_statement read_statement(lua_State *L, int first, int last, const char **params) {
    struct db_statement statement = {.sql = luaL_checkstring(L, first), .params = params};
    statement.param_count = last - first;
    if (statement.param_count > MAX_PARAMS)
        luaL_error(L, "more than %d values in one statement", MAX_PARAMS);
    for (int i = 0; i < statement.param_count; i++) {
        to_text(L, first + 1 + i);
        params[i] = text_at(L, first + 1 + i);
    }
    return statement;
}

// Values out.

// "2026-11-24 04:26:30.123456+00", the session's time zone being UTC, as RFC 3339 in milliseconds.
static void push_time(lua_State *L, const char *text, size_t len) {
    char out[25];
    if (len < 22 || text[10] != ' ' || text[4] != '-') {
        lua_pushlstring(L, text, len); // infinity, or a year of five digits
        return;
    }
    memcpy(out, text, 19);
    out[10] = 'T';
    memcpy(out + 19, ".000Z", 5);
    if (text[19] == '.')
        for (size_t i = 0; i < 3 && text[20 + i] >= '0' && text[20 + i] <= '9'; i++)
            out[20 + i] = text[20 + i];
    lua_pushlstring(L, out, 24);
}

// text[] of one dimension; NULL elements become "".
static void push_list(lua_State *L, const char *text, size_t len) {
    lua_newtable(L);
    struct buf item = {0};
    int count = 0;
    for (size_t i = 1; i + 1 < len;) {
        bool quoted = text[i] == '"';
        i += quoted;
        buf_clear(&item);
        while (i + 1 < len && text[i] != (quoted ? '"' : ',')) {
            i += text[i] == '\\';
            buf_addc(&item, text[i++]);
        }
        lua_pushlstring(L, item.data ? item.data : "", item.len);
        lua_rawseti(L, -2, ++count);
        i += quoted;
        i += i + 1 < len && text[i] == ',';
    }
    buf_free(&item);
    luaL_getmetatable(L, "host.json.list");
    lua_setmetatable(L, -2);
}

static void push_value(lua_State *L, enum db_type type, const char *text, size_t len) {
    switch (type) {
    case DB_BOOLEAN:
        lua_pushboolean(L, text[0] == 't');
        break;
    case DB_NUMBER:
        lua_pushnumber(L, strtod(text, NULL));
        break;
    case DB_TIME:
        push_time(L, text, len);
        break;
    case DB_TEXT_LIST:
        push_list(L, text, len);
        break;
    default:
        lua_pushlstring(L, text, len);
    }
}

static void push_rows(lua_State *L, const struct db_rows *rows) {
    int count = db_rows_count(rows), columns = db_rows_columns(rows);
    luaL_checkstack(L, columns + 4, "columns of a row");
    lua_createtable(L, count, 1);
    int list = lua_gettop(L);
    for (int column = 0; column < columns; column++)
        lua_pushstring(L, db_rows_name(rows, column));
    for (int row = 0; row < count; row++) {
        lua_createtable(L, 0, columns);
        for (int column = 0; column < columns; column++) {
            size_t len;
            const char *value = db_rows_value(rows, row, column, &len);
            if (!value)
                continue;
            lua_pushvalue(L, list + 1 + column);
            push_value(L, db_rows_type(rows, column), value, len);
            lua_rawset(L, -3);
        }
        lua_rawseti(L, list, row + 1);
    }
    lua_settop(L, list);
    lua_pushinteger(L, db_rows_affected(rows));
    lua_setfield(L, list, "affected");
}

static int push_failure(lua_State *L, const struct db_result *result) {
    static const char *const CODES[] = {
        [DB_UNAVAILABLE] = "unavailable", [DB_UNKNOWN] = "unknown", [DB_SQL] = "sql"};
    api_push_error(L, CODES[result->outcome], result->message ? result->message : "");
    if (result->sqlstate) {
        lua_pushstring(L, result->sqlstate);
        lua_setfield(L, -2, "sqlstate");
    }
    if (result->constraint) {
        lua_pushstring(L, result->constraint);
        lua_setfield(L, -2, "constraint");
    }
    return 2;
}

static int push_result(lua_State *L, void *user) {
    const struct op *op = user;
    const struct db_result *result = op->result;
    if (result->outcome != DB_OK)
        return push_failure(L, result);
    if (!op->batch) {
        push_rows(L, result->rows[0]);
        return 1;
    }
    lua_createtable(L, (int)result->count, 0);
    for (size_t i = 0; i < result->count; i++) {
        push_rows(L, result->rows[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static void end(struct op *op) {
    api_end(op->env);
    free(op);
}

static void on_done(void *user, const struct db_result *result) {
    struct op *op = user;
    op->result = result;
    if (op->session)
        op->session->op = NULL;
    if (!op->env->closing)
        fiber_resume(op->env->fibers, op->token, push_result, op);
    end(op);
}

static int start(lua_State *L, enum db_kind kind, const struct db_statement *statements,
                 size_t count, bool batch) {
    struct api_env *env = api_env(L);
    struct op *op = xcalloc(1, sizeof *op);
    op->env = env;
    op->batch = batch;
    struct err err;
    if (db_start(env->db, kind, statements, count, on_done, op, &err) != 0) {
        free(op);
        return api_push_error(L, "unavailable", err.text);
    }
    api_begin(env);
    op->token = fiber_wait(L, WAIT_MS);
    return fiber_yield(L);
}

static int run_one(lua_State *L, enum db_kind kind, const char *name) {
    api_need_fiber(L, name);
    const char *params[MAX_PARAMS];
    struct db_statement statement = read_statement(L, 1, lua_gettop(L), params);
    return start(L, kind, &statement, 1, false);
}

static int query(lua_State *L) {
    return run_one(L, DB_READ, "host.db.query");
}

static int execute(lua_State *L) {
    return run_one(L, DB_WRITE, "host.db.execute");
}

static int batch(lua_State *L) {
    api_need_fiber(L, "host.db.batch");
    luaL_checktype(L, 1, LUA_TTABLE);
    int count = (int)lua_objlen(L, 1);
    luaL_argcheck(L, count >= 1 && count <= MAX_STATEMENTS, 1, "1 to 64 statements");
    struct db_statement statements[MAX_STATEMENTS];
    // The values live on the stack until db_start has copied them.
    const char **params = lua_newuserdata(L, (size_t)count * MAX_PARAMS * sizeof *params);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        int table = lua_gettop(L);
        lua_getfield(L, table, "n");
        int values = lua_isnil(L, -1) ? (int)lua_objlen(L, table) : (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        luaL_checkstack(L, values + 8, "values of a statement");
        for (int v = 1; v <= values; v++)
            lua_rawgeti(L, table, v);
        statements[i] = read_statement(L, table + 1, table + values, params + i * MAX_PARAMS);
    }
    return start(L, DB_WRITE, statements, (size_t)count, true);
}

static int ready(lua_State *L) {
    lua_pushboolean(L, db_ready(api_env(L)->db));
    return 1;
}

// Sessions: the userdata owns the connection until close or collection.

static struct session *check_session(lua_State *L) {
    return luaL_checkudata(L, 1, "host.db.session");
}

static int session_close(lua_State *L) {
    struct session *session = check_session(L);
    if (session->handle)
        db_session_end(session->handle, lua_toboolean(L, 2));
    session->handle = NULL;
    if (session->op)
        end(session->op);
    session->op = NULL;
    return 0;
}

static int push_granted(lua_State *L, void *user) {
    const struct op *op = user;
    if (op->result->outcome != DB_OK)
        return push_failure(L, op->result);
    lua_pushboolean(L, true);
    return 1;
}

static void on_granted(void *user, const struct db_result *result) {
    struct op *op = user;
    op->result = result;
    op->session->op = NULL;
    if (result->outcome != DB_OK)
        op->session->handle = NULL; // the pool has let it go
    if (!op->env->closing)
        fiber_resume(op->env->fibers, op->token, push_granted, op);
    end(op);
}

static int session_new(lua_State *L) {
    struct session *session = lua_newuserdata(L, sizeof *session);
    *session = (struct session){.env = api_env(L)};
    luaL_getmetatable(L, "host.db.session");
    lua_setmetatable(L, -2);
    return 1;
}

static int session_open(lua_State *L) {
    struct session *session = check_session(L);
    api_need_fiber(L, "host.db.transaction");
    struct op *op = xcalloc(1, sizeof *op);
    op->env = session->env;
    op->session = session;
    struct err err;
    if (db_session_start(op->env->db, &session->handle, on_granted, op, &err) != 0) {
        free(op);
        return api_push_error(L, "unavailable", err.text);
    }
    api_begin(op->env);
    session->op = op;
    op->token = fiber_wait(L, WAIT_MS);
    return fiber_yield(L);
}

static int session_query(lua_State *L) {
    struct session *session = check_session(L);
    api_need_fiber(L, "tx:query");
    if (!session->handle)
        return luaL_error(L, "tx:query after the end of its transaction");
    const char *params[MAX_PARAMS];
    struct db_statement statement = read_statement(L, 2, lua_gettop(L), params);

    struct op *op = xcalloc(1, sizeof *op);
    op->env = session->env;
    op->session = session;
    struct err err;
    if (db_session_run(session->handle, &statement, on_done, op, &err) != 0) {
        free(op);
        return api_push_error(L, "unknown", err.text);
    }
    api_begin(op->env);
    session->op = op;
    op->token = fiber_wait(L, WAIT_MS);

    return fiber_yield(L);
}

static const char TRANSACTION[] =
    "local new_session, fiber = ...\n"
    "local function attempt(session, fn)\n"
    "  local begun, err = session:query('BEGIN')\n"
    "  if not begun then return false, nil, err end\n"
    "  local failed\n"
    "  local tx = {query = function(_, ...)\n"
    "    local rows, why = session:query(...)\n"
    "    failed = failed or why\n"
    "    return rows, why\n"
    "  end}\n"
    "  local ok, value, why = pcall(fn, tx)\n"
    "  if not ok then return false, nil, nil, value end\n"
    "  if value == nil or failed then return false, nil, failed or why end\n"
    "  local done\n"
    "  done, err = session:query('COMMIT')\n"
    "  if not done then return false, nil, err end\n"
    "  return true, value, why\n"
    "end\n"
    "return function(fn)\n"
    "  local value, err, clean, thrown\n"
    "  for _ = 1, 3 do\n"
    "    local session = new_session()\n"
    "    local granted, refused = session:open()\n"
    "    if not granted then session:close(true) return nil, refused end\n"
    "    clean, value, err, thrown = attempt(session, fn)\n"
    "    if not clean and not (err and err.code == 'unknown') then\n"
    "      clean = session:query('ROLLBACK') ~= nil\n"
    "    end\n"
    "    session:close(clean)\n"
    "    if thrown ~= nil then error(thrown, 0) end\n"
    "    local state = type(err) == 'table' and err.sqlstate\n"
    "    if value ~= nil or not (state == '40001' or state == '40P01') then return value, err end\n"
    "  end\n"
    "  return nil, err\n"
    "end\n";

int api_open_db(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {
        {"query", query}, {"execute", execute}, {"batch", batch}, {"ready", ready}, {NULL, NULL}};
    static const luaL_Reg METHODS[] = {
        {"open", session_open}, {"query", session_query}, {"close", session_close}, {NULL, NULL}};
    luaL_newmetatable(L, "host.db.session");
    lua_newtable(L);
    luaL_register(L, NULL, METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, session_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    if (luaL_loadbuffer(L, TRANSACTION, sizeof TRANSACTION - 1, "=host.db") != 0)
        return lua_error(L);
    lua_pushcfunction(L, session_new);
    lua_call(L, 1, 1);
    lua_setfield(L, -2, "transaction");
    return 1;
}
