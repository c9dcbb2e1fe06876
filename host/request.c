#include "request.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum { MAX_REPLY_HEADERS = 32 };

struct run {
    struct generation_request held; // first: it is cast back
    struct meters *meters;
    struct http_exchange *exchange; // NULL: answered, by a stream that goes on
    uint64_t began_ns;
    char method[16];
    char request_id[64];
};

static const char *find_field(const struct http_request *request, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < request->field_count; i++)
        if (request->fields[i].name_len == len &&
            strncasecmp(request->fields[i].name, name, len) == 0)
            return request->fields[i].value;
    return NULL;
}

static bool is_id(const char *text) {
    size_t len = strlen(text);
    if (len == 0 || len > 63)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("-_.", *text))
            return false;
    return true;
}

// W3C trace context: 00-<32 hex>-<16 hex>-<2 hex>; version ff and ids of zeros alone are none.
static bool is_traceparent(const char *text) {
    static const char SHAPE[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (strlen(text) != sizeof SHAPE - 1)
        return false;
    for (size_t i = 0; SHAPE[i]; i++)
        if (SHAPE[i] == '-'
                ? text[i] != '-'
                : !(isdigit((unsigned char)text[i]) || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return strncmp(text, "ff", 2) != 0 && strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}

static void push_request(lua_State *L, const struct run *run, const struct http_request *request,
                         const struct request_options *options, const char *traceparent) {
    lua_createtable(L, 0, 12);
    if (traceparent) {
        lua_pushstring(L, traceparent);
        lua_setfield(L, -2, "traceparent");
    }
    lua_pushstring(L, request->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, request->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, request->query);
    lua_setfield(L, -2, "query");
    lua_pushlstring(L, request->body, request->body_len);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, request->remote);
    lua_setfield(L, -2, "remote");
    lua_pushstring(L, run->request_id);
    lua_setfield(L, -2, "id");
    lua_pushboolean(L, options->inner);
    lua_setfield(L, -2, "inner");
    lua_pushinteger(L, options->port);
    lua_setfield(L, -2, "port");
    lua_createtable(L, 0, (int)request->field_count);
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        char name[64];
        size_t len = field->name_len < sizeof name ? field->name_len : sizeof name;
        for (size_t c = 0; c < len; c++)
            name[c] = (char)tolower((unsigned char)field->name[c]);
        lua_pushlstring(L, name, len);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        bool repeated = !lua_isnil(L, -1);
        if (repeated) { // RFC 9110, 5.3: several fields of one name are a comma list
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, field->value, field->value_len);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, field->value, field->value_len);
        }
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

static size_t read_headers(lua_State *L, int index, struct http_header *headers) {
    size_t count = 0;
    if (!lua_istable(L, index))
        return 0;
    lua_pushnil(L);
    while (lua_next(L, index) && count < MAX_REPLY_HEADERS) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING)
            headers[count++] = (struct http_header){lua_tostring(L, -2), lua_tostring(L, -1)};
        lua_pop(L, 1); // the table keeps the string
    }
    return count;
}

typedef void reply_function(struct http_exchange *exchange, int status,
                            const struct http_header *headers, size_t header_count,
                            const char *body, size_t body_len);

static void reply_problem(const struct run *run, int status, const char *body,
                          reply_function *reply) {
    struct http_header headers[3 + HTTP_MAX_GRANT] = {{"Content-Type", "application/problem+json"},
                                                      {"X-Content-Type-Options", "nosniff"}};
    size_t count = 2;
    if (status == 503)
        headers[count++] = (struct http_header){"Retry-After", "1"};
    count += http_grant(run->exchange, headers + count);
    reply(run->exchange, status, headers, count, body, strlen(body));
}

static void count_request(struct run *run, const char *route, int status) {
    meters_count_request(run->meters, run->method, route, status,
                         (double)(uv_hrtime() - run->began_ns) / 1e9);
}

// The end of a run that was answered, or whose stream has ended.
static void end(struct run *run) {
    generation_remove(&run->held);
    free(run);
}

static void on_stream_ended(void *user, lua_State *L, bool ok, int count) {
    (void)count;
    if (!ok)
        log_event(LOG_ERROR, "stream failed", "error", lua_tostring(L, -1), NULL);
    end(user);
}

// The body was a function: it gets the open stream and runs in a fiber of its own.
static void start_stream(struct run *run, lua_State *L, int function, int status,
                         const struct http_header *headers, size_t count) {
    struct http_stream *stream = http_reply_stream(run->exchange, status, headers, count);
    run->exchange = NULL;
    lua_pushvalue(L, function);
    api_push_stream(L, stream);
    struct api_env *env = generation_env(run->held.generation);
    struct fiber_context context = {run->request_id, log_context()->traceparent};
    if (fiber_start(env->fibers, L, 1, on_stream_ended, run, &context) == 0)
        return;
    lua_pop(L, 2); // the stream ends when its object is collected
    end(run);
}

static void on_handled(void *user, lua_State *L, bool ok, int count) {
    struct run *run = user;
    int first = lua_gettop(L) - count + 1;
    int status = ok && count >= 1 ? (int)lua_tointeger(L, first) : 0;
    if (!ok || status < 200 || status > 599) {
        log_event(LOG_ERROR, "handler failed", "error",
                  ok ? "no status between 200 and 599" : lua_tostring(L, -1), NULL);
        reply_problem(run, 500,
                      "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\","
                      "\"status\":500,\"detail\":\"Something went wrong on our side\"}",
                      http_reply);
        count_request(run, "error", 500);
        end(run);
        return;
    }
    lua_settop(L, first + 3);
    struct http_header headers[MAX_REPLY_HEADERS + 1];
    size_t header_count = read_headers(L, first + 1, headers);
    headers[header_count++] = (struct http_header){"X-Request-Id", run->request_id};
    const char *route = lua_tostring(L, first + 3);
    count_request(run, route ? route : "none", status);
    if (lua_isfunction(L, first + 2)) {
        start_stream(run, L, first + 2, status, headers, header_count);
        return;
    }
    size_t len = 0;
    const char *body = lua_tolstring(L, first + 2, &len);
    http_reply(run->exchange, status, headers, header_count, body ? body : "", len);
    end(run);
}

static void refuse(struct run *run, const char *route, const char *detail, reply_function *reply) {
    char body[192];
    snprintf(body, sizeof body,
             "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
             "\"detail\":\"%s\"}",
             detail);
    reply_problem(run, 503, body, reply);
    count_request(run, route, 503);
}

// A stream ends when its object is collected, with the VM.
static void on_cut(struct generation_request *held) {
    struct run *run = (struct run *)held;
    if (run->exchange)
        refuse(run, "cut", "The request took too long", http_reply);
    free(run);
}

void request_start(struct generation *generation, struct http_exchange *exchange,
                   const struct http_request *request, const struct request_options *options) {
    struct run *run = xmalloc(sizeof *run);
    *run = (struct run){.held.on_cut = on_cut, .meters = options->meters, .exchange = exchange};
    run->began_ns = uv_hrtime();
    snprintf(run->method, sizeof run->method, "%s", request->method);
    const char *id = find_field(request, "X-Request-Id");
    if (id && is_id(id))
        snprintf(run->request_id, sizeof run->request_id, "%s", id);
    else
        snprintf(run->request_id, sizeof run->request_id, "%016llx",
                 (unsigned long long)options->random);
    const char *trace = find_field(request, "traceparent");
    if (trace && !is_traceparent(trace))
        trace = NULL;
    struct fiber_context context = {run->request_id, trace};
    struct script *script = generation_script(generation);
    struct fiber_pool *fibers = generation_env(generation)->fibers;
    lua_State *L = script_state(script);
    generation_add(generation, &run->held);
    // Checked first: under overload most are refused, which must cost little. A probe takes one of
    // the background's fibers.
    if (fiber_alive(fibers) < options->limit || http_is_probe(request->path)) {
        script_push_handle(script);
        push_request(L, run, request, options, trace);
        if (fiber_start(fibers, L, 1, on_handled, run, &context) == 0)
            return;
        lua_pop(L, 2);
    }
    refuse(run, "overload", "Too many requests are in progress", http_reply_later);
    end(run);
}
