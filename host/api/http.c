// host.http, and the stream object of an answer that goes on
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "buf.h"

enum { MAX_HEADERS = 32, MAX_RECIPIENTS = 16 };

struct op {
    struct api_env *env;
    struct fiber_token token;
    const struct http_call_reply *reply;
};

static const char *optional_string(lua_State *L, const char *key) {
    lua_getfield(L, 1, key); // stays on the stack: the string is borrowed
    if (lua_isnil(L, -1))
        return NULL;
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "host.http.request: %s must be a string", key);
    return lua_tostring(L, -1);
}

static long optional_number(lua_State *L, const char *key) {
    lua_getfield(L, 1, key);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "host.http.request: %s must be a number", key);
    long value = (long)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

static size_t read_headers(lua_State *L, struct http_call_header *headers) {
    size_t count = 0;
    lua_getfield(L, 1, "headers");
    if (lua_isnil(L, -1))
        return 0;
    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    luaL_checkstack(L, 2 * MAX_HEADERS + 4, "headers");
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1) || count == MAX_HEADERS)
            luaL_error(L, "host.http.request: headers must be at most %d strings by name",
                       MAX_HEADERS);
        headers[count++] = (struct http_call_header){lua_tostring(L, -2), lua_tostring(L, -1)};
        lua_insert(L, table + 1); // keeps the value alive below the key
    }
    return count;
}

// Leaves the addresses on the stack: they are borrowed.
static size_t read_recipients(lua_State *L, const char **recipients) {
    lua_getfield(L, 1, "mail_to");
    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    size_t count = lua_objlen(L, table);
    if (count > MAX_RECIPIENTS)
        luaL_error(L, "host.http.request: mail_to holds more than %d addresses", MAX_RECIPIENTS);
    luaL_checkstack(L, MAX_RECIPIENTS, "mail_to");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, table, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "host.http.request: mail_to must be a list of strings");
        recipients[i] = lua_tostring(L, -1);
    }
    return count;
}

static int push_reply(lua_State *L, void *user) {
    static const char *const CODES[] = {
        [HTTP_CALL_UNREACHABLE] = "unreachable",
        [HTTP_CALL_TIMEOUT] = "timeout",
        [HTTP_CALL_TOO_LARGE] = "too_large",
        [HTTP_CALL_CANCELLED] = "cancelled",
    };
    const struct http_call_reply *reply = ((struct op *)user)->reply;
    if (reply->outcome != HTTP_CALL_OK)
        return api_push_error(L, CODES[reply->outcome], reply->error ? reply->error : "");
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, reply->status);
    lua_setfield(L, -2, "status");
    lua_createtable(L, 0, (int)reply->header_count);
    for (size_t i = 0; i < reply->header_count; i++) {
        lua_pushstring(L, reply->headers[i].value);
        lua_setfield(L, -2, reply->headers[i].name);
    }
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, reply->body.data ? reply->body.data : "", reply->body.len);
    lua_setfield(L, -2, "body");
    return 1;
}

static void on_done(void *user, const struct http_call_reply *reply) {
    struct op *op = user;
    op->reply = reply;
    if (!op->env->closing)
        fiber_resume(op->env->fibers, op->token, push_reply, op);
    api_end(op->env);
    free(op);
}

static int request(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    api_need_fiber(L, "host.http.request");
    lua_settop(L, 1);
    struct http_call_header headers[MAX_HEADERS];
    struct http_call_request call = {.headers = headers};
    call.method = optional_string(L, "method");
    call.url = optional_string(L, "url");
    call.body = optional_string(L, "body");
    if (call.body)
        lua_tolstring(L, -1, &call.body_len);
    if (!call.method || !call.url)
        return luaL_error(L, "host.http.request needs a method and a url");
    call.timeout_ms = optional_number(L, "timeout_ms");
    call.connect_timeout_ms = optional_number(L, "connect_timeout_ms");
    call.max_reply = (size_t)optional_number(L, "max_reply");
    lua_getfield(L, 1, "public_only");
    call.public_only = lua_toboolean(L, -1);
    call.header_count = read_headers(L, headers);
    const char *recipients[MAX_RECIPIENTS];
    call.mail_from = optional_string(L, "mail_from");
    if (call.mail_from) {
        call.mail_to = recipients;
        call.mail_to_count = read_recipients(L, recipients);
        call.user = optional_string(L, "user");
        call.password = optional_string(L, "password");
    }

    struct op *op = xcalloc(1, sizeof *op);
    op->env = api_env(L);
    struct http_call *handle;
    struct err err;
    if (http_client_start(op->env->http, &call, on_done, op, &handle, &err) != 0) {
        free(op);
        return api_push_error(L, "refused", err.text);
    }
    api_begin(op->env);
    op->token = fiber_wait(L, (uint64_t)(call.timeout_ms > 0 ? call.timeout_ms : 5000) + 1000);

    return fiber_yield(L);
}

int api_open_http(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"request", request}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}

// Streams.

static struct http_stream **check_stream(lua_State *L) {
    return luaL_checkudata(L, 1, "host.http.stream");
}

static int stream_write(lua_State *L) {
    struct http_stream **stream = check_stream(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    lua_pushboolean(L, *stream && http_stream_write(*stream, text, len));
    return 1;
}

static int stream_alive(lua_State *L) {
    struct http_stream **stream = check_stream(L);
    lua_pushboolean(L, *stream && http_stream_alive(*stream));
    return 1;
}

static int stream_close(lua_State *L) {
    struct http_stream **stream = check_stream(L);
    if (*stream)
        http_stream_close(*stream);
    *stream = NULL;
    return 0;
}

void api_push_stream(lua_State *L, struct http_stream *stream) {
    static const luaL_Reg METHODS[] = {
        {"write", stream_write}, {"alive", stream_alive}, {"close", stream_close}, {NULL, NULL}};
    struct http_stream **held = lua_newuserdata(L, sizeof *held);
    *held = stream;
    if (luaL_newmetatable(L, "host.http.stream")) {
        lua_newtable(L);
        luaL_register(L, NULL, METHODS);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, stream_close);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
}
