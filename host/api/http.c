// host.http, the reader of a reply that is read as it comes, and the stream object of an answer
// that goes on
#include <lauxlib.h>
#include <stdbool.h>
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
        luaL_error(L, "host.http: %s must be a string", key);
    return lua_tostring(L, -1);
}

static long optional_number(lua_State *L, const char *key) {
    lua_getfield(L, 1, key);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "host.http: %s must be a number", key);
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
            luaL_error(L, "host.http: headers must be at most %d strings by name", MAX_HEADERS);
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

static int push_failure(lua_State *L, enum http_call_outcome outcome, const char *error) {
    static const char *const CODES[] = {
        [HTTP_CALL_UNREACHABLE] = "unreachable",
        [HTTP_CALL_TIMEOUT] = "timeout",
        [HTTP_CALL_TOO_LARGE] = "too_large",
        [HTTP_CALL_CANCELLED] = "cancelled",
    };
    return api_push_error(L, CODES[outcome], error ? error : "");
}

static void push_head(lua_State *L, const struct http_call_reply *reply) {
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, reply->status);
    lua_setfield(L, -2, "status");
    lua_createtable(L, 0, (int)reply->header_count);
    for (size_t i = 0; i < reply->header_count; i++) {
        lua_pushstring(L, reply->headers[i].value);
        lua_setfield(L, -2, reply->headers[i].name);
    }
    lua_setfield(L, -2, "headers");
}

static int push_reply(lua_State *L, void *user) {
    const struct http_call_reply *reply = ((struct op *)user)->reply;
    if (reply->outcome != HTTP_CALL_OK)
        return push_failure(L, reply->outcome, reply->error);
    push_head(L, reply);
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

// What both functions take. Leaves strings on the stack: they are borrowed until the call starts.
static void read_call(lua_State *L, const char *name, struct http_call_request *call,
                      struct http_call_header headers[MAX_HEADERS]) {
    luaL_checktype(L, 1, LUA_TTABLE);
    api_need_fiber(L, name);
    lua_settop(L, 1);
    *call = (struct http_call_request){.headers = headers};
    call->method = optional_string(L, "method");
    call->url = optional_string(L, "url");
    call->body = optional_string(L, "body");
    if (call->body)
        lua_tolstring(L, -1, &call->body_len);
    if (!call->method || !call->url)
        luaL_error(L, "%s needs a method and a url", name);
    call->timeout_ms = optional_number(L, "timeout_ms");
    call->connect_timeout_ms = optional_number(L, "connect_timeout_ms");
    call->max_reply = (size_t)optional_number(L, "max_reply");
    lua_getfield(L, 1, "public_only");
    call->public_only = lua_toboolean(L, -1);
    call->header_count = read_headers(L, headers);
}

static int request(lua_State *L) {
    struct http_call_header headers[MAX_HEADERS];
    struct http_call_request call;
    read_call(L, "host.http.request", &call, headers);
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

// Replies that are read as they come.

// Held by the call until it has ended, and by the Lua object.
struct incoming {
    struct api_env *env;
    struct http_call *call; // NULL: it has ended, with the outcome below
    int holders;
    int head; // registry reference of {status, headers}; LUA_NOREF: not there yet
    enum { NOTHING, HEAD, BODY } awaited; // by a fiber, with the token
    struct fiber_token token;
    struct buf rest; // of an ended call: what was not read
    enum http_call_outcome outcome;
    char *error;
};

static void release_incoming(struct incoming *incoming) {
    if (--incoming->holders > 0)
        return;
    buf_free(&incoming->rest);
    free(incoming->error);
    free(incoming);
}

// Gives all that there is and returns true, or returns false.
static bool push_part(lua_State *L, struct incoming *incoming) {
    struct buf part = incoming->rest;
    if (incoming->call)
        http_client_take(incoming->call, &part);
    else
        incoming->rest = (struct buf){0};
    bool some = part.len > 0;
    if (some)
        lua_pushlstring(L, part.data, part.len);
    buf_free(&part);
    return some;
}

static int push_body(lua_State *L, struct incoming *incoming) {
    if (push_part(L, incoming))
        return 1;
    if (incoming->outcome != HTTP_CALL_OK)
        return push_failure(L, incoming->outcome, incoming->error);
    lua_pushnil(L);
    return 1;
}

static int push_stored_head(lua_State *L, const struct incoming *incoming) {
    if (incoming->head == LUA_NOREF)
        return push_failure(L, incoming->outcome, incoming->error);
    lua_rawgeti(L, LUA_REGISTRYINDEX, incoming->head);
    return 1;
}

static int push_head_awaited(lua_State *L, void *user) {
    return push_stored_head(L, user);
}

static int push_body_awaited(lua_State *L, void *user) {
    return push_body(L, user);
}

static void wake_reader(struct incoming *incoming) {
    fiber_push push = incoming->awaited == HEAD ? push_head_awaited : push_body_awaited;
    incoming->awaited = NOTHING;
    fiber_resume(incoming->env->fibers, incoming->token, push, incoming);
}

static void on_part(void *user, const struct http_call_reply *reply) {
    struct incoming *incoming = user;
    if (incoming->env->closing)
        return;
    if (incoming->head == LUA_NOREF) {
        push_head(incoming->env->main, reply);
        incoming->head = luaL_ref(incoming->env->main, LUA_REGISTRYINDEX);
    }
    if (incoming->awaited == HEAD || (incoming->awaited == BODY && reply->body.len > 0))
        wake_reader(incoming);
}

static void on_incoming_ended(void *user, const struct http_call_reply *reply) {
    struct incoming *incoming = user;
    struct api_env *env = incoming->env;
    incoming->call = NULL;
    incoming->outcome = reply->outcome;
    incoming->error = reply->error ? xstrdup(reply->error) : NULL;
    if (reply->body.len > 0)
        buf_add(&incoming->rest, reply->body.data, reply->body.len);
    if (!env->closing && incoming->awaited != NOTHING)
        wake_reader(incoming);
    api_end(env);
    release_incoming(incoming);
}

static int open_reply(lua_State *L) {
    struct http_call_header headers[MAX_HEADERS];
    struct http_call_request call;
    read_call(L, "host.http.open", &call, headers);
    struct incoming **held = lua_newuserdata(L, sizeof *held);
    *held = NULL;
    luaL_getmetatable(L, "host.http.reader");
    lua_setmetatable(L, -2);

    struct incoming *incoming = xcalloc(1, sizeof *incoming);
    incoming->env = api_env(L);
    incoming->head = LUA_NOREF;
    incoming->holders = 1;
    call.on_part = on_part;
    struct err err;
    if (http_client_start(incoming->env->http, &call, on_incoming_ended, incoming, &incoming->call,
                          &err) != 0) {
        release_incoming(incoming);
        return api_push_error(L, "refused", err.text);
    }
    api_begin(incoming->env);
    incoming->holders++;
    *held = incoming;
    return 1;
}

static struct incoming *check_reader(lua_State *L) {
    struct incoming **held = luaL_checkudata(L, 1, "host.http.reader");
    return *held;
}

static uint64_t check_wait(lua_State *L, const char *name) {
    lua_Number ms = luaL_checknumber(L, 2);
    luaL_argcheck(L, ms >= 1 && ms <= 600000, 2, "1 to 600,000 milliseconds");
    api_need_fiber(L, name);
    return (uint64_t)ms;
}

static int reader_head(lua_State *L) {
    struct incoming *incoming = check_reader(L);
    uint64_t ms = check_wait(L, "reader:head");
    if (!incoming->call || incoming->head != LUA_NOREF)
        return push_stored_head(L, incoming);

    incoming->awaited = HEAD;
    incoming->token = fiber_wait(L, ms);

    return fiber_yield(L);
}

static int reader_read(lua_State *L) {
    struct incoming *incoming = check_reader(L);
    uint64_t ms = check_wait(L, "reader:read");
    if (!incoming->call)
        return push_body(L, incoming);
    if (push_part(L, incoming))
        return 1;

    incoming->awaited = BODY;
    incoming->token = fiber_wait(L, ms);

    return fiber_yield(L);
}

static int reader_close(lua_State *L) {
    struct incoming *incoming = check_reader(L);
    if (incoming && incoming->call) {
        http_client_cancel(incoming->call);
        incoming->call = NULL;
        incoming->outcome = HTTP_CALL_CANCELLED;
    }
    return 0;
}

static int reader_collect(lua_State *L) {
    reader_close(L);
    struct incoming *incoming = check_reader(L);
    if (!incoming)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, incoming->head);
    release_incoming(incoming);
    return 0;
}

int api_open_http(lua_State *L) {
    static const luaL_Reg FUNCTIONS[] = {{"request", request}, {"open", open_reply}, {NULL, NULL}};
    static const luaL_Reg METHODS[] = {
        {"head", reader_head}, {"read", reader_read}, {"close", reader_close}, {NULL, NULL}};
    luaL_newmetatable(L, "host.http.reader");
    lua_newtable(L);
    luaL_register(L, NULL, METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, reader_collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
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
