#include "rules.h"

#include <assert.h>
#include <lauxlib.h>
#include <luajit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "rules_budget.h"
#include "rules_copy.h"
#include "rules_env.h"
#include "rules_guard.h"

enum { TRACE_LEVELS = 16, KEEP_BYTES = 256 * 1024, EXPLAINED_LINES = 200, LINE_BYTES = 500 };
// Of the collector, in percent: what is made while rules load mostly stays.
enum { LOAD_PAUSE = 200, CALL_PAUSE = 150 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 10 }; // all takes longer in such a build
#else
enum { SLOWER = 1 };
#endif

const struct rules_limits RULES_LIMITS = {
    .call_ms = 5 * SLOWER, .load_ms = 500 * SLOWER, .memory = 32u << 20};

struct rules {
    struct rules_budget budget; // first: the VM's allocator leads back to here
    struct rules_bundle *bundle;
    struct rules_limits limits;
    char *only;
    lua_State *L;
    int modules;      // registry reference
    int guard;        // likewise
    size_t loaded;    // bytes of the VM after the load
    struct buf bytes; // of arguments, then of results
    unsigned call_ms; // of the call that runs
    // Of the last failure.
    const char *code;
    struct buf message, traceback;
    char entry[128]; // file:line where the rule that was called begins
    // Of the last call.
    bool explains;
    struct buf explained;
    unsigned lines;
    size_t bytes_before;
    uint64_t cpu_ns;
};

static _Thread_local const char *volatile running;

const char *rules_running(void) {
    return running;
}

static struct rules *rules_of(lua_State *L) {
    return (struct rules *)(void *)rules_budget_of(L);
}

// Failures. They are written outside of the VM, which may be out of memory.

static void fail(struct rules *rules, const char *code, const char *where, const char *message) {
    rules->code = code;
    buf_clear(&rules->message);
    if (!*where)
        where = rules->entry;
    if (*where && !strstr(message, ".lua:"))
        buf_addf(&rules->message, "%s: ", where);
    buf_addf(&rules->message, "%.1000s", message);
}

static void fail_budget(struct rules *rules, unsigned ms) {
    char text[96];
    bool memory = rules->budget.over == RULES_OVER_MEMORY;
    if (memory)
        snprintf(text, sizeof text, "the rules need more than %zu KiB of memory",
                 rules->limits.memory / 1024);
    else
        snprintf(text, sizeof text, "it takes more than %u ms of CPU time", ms);
    fail(rules, memory ? "memory" : "budget", rules->budget.where, text);
}

static void trace(lua_State *L, struct buf *out) {
    lua_Debug debug;
    buf_clear(out);
    for (int level = 1; level <= TRACE_LEVELS && lua_getstack(L, level, &debug); level++) {
        if (!lua_getinfo(L, "Sln", &debug) || debug.currentline <= 0)
            continue;
        buf_addf(out, "%s%s:%d", out->len ? "\n" : "", debug.short_src, debug.currentline);
        if (debug.name)
            buf_addf(out, " in %.64s", debug.name);
    }
}

// Runs where the error was raised, before the stack is unwound.
static int on_error(lua_State *L) {
    struct rules *rules = rules_of(L);
    char where[128], text[64];
    rules_budget_place(L, where, sizeof where);
    const char *message = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    if (!message) {
        snprintf(text, sizeof text, "an error that is a %s, not a string", luaL_typename(L, 1));
        message = text;
    }
    fail(rules, "error", where, message);
    trace(L, &rules->traceback);
    return 1;
}

// After a call in the VM: true when it succeeded.
static bool settle(struct rules *rules, lua_State *L, int status, unsigned ms) {
    if (rules->budget.over) {
        fail_budget(rules, ms);
        return false;
    }
    if (status == 0)
        return true;
    if (!rules->code) // the handler did not get to run
        fail(rules, "error", "",
             lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error in an error");
    return false;
}

static void begin(struct rules *rules, unsigned ms) {
    rules->code = NULL;
    rules->entry[0] = 0;
    buf_clear(&rules->message);
    buf_clear(&rules->traceback);
    buf_clear(&rules->explained);
    rules->lines = 0;
    rules->bytes_before = rules->budget.memory_used;
    rules_budget_begin(&rules->budget, ms);
}

// explain(format, ...): why a rule decides so. Costs next to nothing where nobody listens, which is
// why it takes the parts and not the text. Upvalue: string.format.
static int explain(lua_State *L) {
    struct rules *rules = rules_of(L);
    if (!rules->explains)
        return 0;
    int count = lua_gettop(L);
    luaL_checkstring(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, 1);
    if (rules->lines++ >= EXPLAINED_LINES)
        return 0;
    size_t begin = rules->explained.len + (rules->explained.len > 0);
    buf_addf(&rules->explained, "%s%.*s", rules->explained.len ? "\n" : "", LINE_BYTES,
             lua_tostring(L, -1));
    for (size_t i = begin; i < rules->explained.len; i++)
        if ((unsigned char)rules->explained.data[i] < ' ')
            rules->explained.data[i] = ' ';
    return 0;
}

// Loading.

static const struct file *find_module(const struct rules_bundle *bundle, const char *name,
                                      size_t len) {
    for (size_t i = 0; i < rules_bundle_count(bundle); i++) {
        const struct file *file = rules_bundle_file(bundle, i);
        if (strncmp(file->name, name, len) == 0 && strcmp(file->name + len, ".lua") == 0)
            return file;
    }
    return NULL;
}

// Pushes the file's function, or why there is none.
static int compile(lua_State *L, const struct file *file) {
    char name[128];
    snprintf(name, sizeof name, "@rules/%s", file->name);
    return luaL_loadbufferx(L, file->text, file->len, name, "t");
}

int rules_compile(const struct rules_bundle *bundle, struct err *err) {
    lua_State *L = luaL_newstate();
    int status = L ? 0 : err_set(err, "a Lua VM cannot be made");
    for (size_t i = 0; status == 0 && i < rules_bundle_count(bundle); i++) {
        const struct file *file = rules_bundle_file(bundle, i);
        if (strcmp(file->name + strlen(file->name) - 4, ".lua") == 0 && compile(L, file) != 0)
            status = err_set(err, "%s", lua_tostring(L, -1));
        lua_settop(L, 0);
    }
    if (L)
        lua_close(L);
    return status;
}

// chunks[name] is compiled when it is first required. Upvalue: the environment.
static int find_chunk(lua_State *L) {
    size_t len;
    const char *name = luaL_checklstring(L, 2, &len);
    const struct file *file = find_module(rules_of(L)->bundle, name, len);
    if (!file)
        return 0;
    if (compile(L, file) != 0)
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setfenv(L, -2);
    return 1;
}

static void load_file(lua_State *L, int require, const char *name, size_t len) {
    lua_pushvalue(L, require);
    lua_pushliteral(L, "rules.");
    lua_pushlstring(L, name, len);
    lua_concat(L, 2);
    lua_call(L, 1, 0);
}

static int load_all(lua_State *L) {
    struct rules *rules = lua_touserdata(L, 1);
    lua_settop(L, 0);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_gc(L, LUA_GCSETPAUSE, LOAD_PAUSE);
    lua_gc(L, LUA_GCSETSTEPMUL, 400);
    rules_env_push(L, explain);
    enum { ENV = 1, CHUNKS, MODULES, NEEDS, REQUIRE };
    lua_pushvalue(L, MODULES);
    rules->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushvalue(L, ENV);
    lua_pushcclosure(L, find_chunk, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, CHUNKS);
    lua_getfield(L, ENV, "require");
    for (size_t i = 0; !rules->only && i < rules_bundle_count(rules->bundle); i++) {
        const struct file *file = rules_bundle_file(rules->bundle, i);
        size_t len = strlen(file->name);
        if (strcmp(file->name + len - 4, ".lua") == 0)
            load_file(L, REQUIRE, file->name, len - 4);
    }
    for (const char *at = rules->only, *end; at && *(at += strspn(at, " ")); at = end) {
        end = at + strcspn(at, " ");
        if (find_module(rules->bundle, at, (size_t)(end - at)))
            load_file(L, REQUIRE, at, (size_t)(end - at));
    }
    rules->guard = rules_guard_new(L, MODULES, NEEDS);
    return 0;
}

static int protected_load(lua_State *L) {
    struct rules *rules = lua_touserdata(L, 1);
    lua_pushcfunction(L, on_error);
    lua_pushcfunction(L, load_all);
    lua_pushlightuserdata(L, rules);
    settle(rules, L, lua_pcall(L, 1, 0, 2), rules->limits.load_ms);
    return 0;
}

static void close_vm(struct rules *rules) {
    if (rules->L)
        lua_close(rules->L);
    rules->L = NULL;
}

static int open_vm(struct rules *rules, struct err *err) {
    rules->L = rules_budget_new_state(&rules->budget, rules->limits.memory);
    if (!rules->L)
        return err_set(err, "a Lua VM cannot be made");
    begin(rules, rules->limits.load_ms);
    int status = lua_cpcall(rules->L, protected_load, rules);
    settle(rules, rules->L, status, rules->limits.load_ms);
    rules_budget_end(&rules->budget);
    if (rules->code) {
        err_set(err, "%s", rules->message.data);
        close_vm(rules);
        return -1;
    }
    lua_gc(rules->L, LUA_GCSETPAUSE, CALL_PAUSE);
    lua_gc(rules->L, LUA_GCCOLLECT, 0);
    rules->loaded = rules->budget.memory_used;
    return 0;
}

int rules_new(struct rules **out, struct rules_bundle *bundle, const struct rules_limits *limits,
              struct err *err) {
    struct rules *rules = xcalloc(1, sizeof *rules);
    rules->bundle = rules_bundle_ref(bundle);
    rules->limits = *limits;
    rules->only = limits->only ? xstrdup(limits->only) : NULL;
    if (open_vm(rules, err) != 0) {
        rules_free(rules);
        return -1;
    }
    *out = rules;
    return 0;
}

void rules_free(struct rules *rules) {
    close_vm(rules);
    rules_bundle_unref(rules->bundle);
    free(rules->only);
    buf_free(&rules->bytes);
    buf_free(&rules->message);
    buf_free(&rules->traceback);
    buf_free(&rules->explained);
    free(rules);
}

// Calling.

// Pushes the function of a rule, or fails.
static bool push_rule(struct rules *rules, const char *name) {
    lua_State *L = rules->L;
    const char *dot = strrchr(name, '.');
    char text[192];
    lua_rawgeti(L, LUA_REGISTRYINDEX, rules->modules);
    lua_pushlstring(L, name, dot ? (size_t)(dot - name) : 0);
    lua_rawget(L, -2);
    if (!lua_istable(L, -1)) {
        bool there = dot && find_module(rules->bundle, name, (size_t)(dot - name));
        snprintf(text, sizeof text, "there is no rule %.100s: %s", name,
                 there ? "the service does not declare its file" : "no such file");
        fail(rules, "missing", "", text);
        return false;
    }
    lua_pushstring(L, dot + 1);
    lua_rawget(L, -2);
    if (!lua_isfunction(L, -1)) {
        snprintf(text, sizeof text, "there is no rule %.100s: its file has no such function", name);
        fail(rules, "missing", "", text);
        return false;
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
    lua_Debug debug;
    lua_pushvalue(L, -1);
    if (lua_getinfo(L, ">S", &debug))
        snprintf(rules->entry, sizeof rules->entry, "%s:%d", debug.short_src, debug.linedefined);
    return true;
}

static int protected_call(lua_State *L) {
    struct rules *rules = rules_of(L);
    const char *name = lua_touserdata(L, 1);
    struct err err;
    lua_settop(L, 0);
    lua_pushcfunction(L, on_error);
    if (!push_rule(rules, name))
        return 0;
    int count = rules_copy_read(L, &rules->bytes);
    int status = lua_pcall(L, count, LUA_MULTRET, 1);
    if (!settle(rules, L, status, rules->call_ms))
        return 0;
    buf_clear(&rules->bytes);
    if (rules_copy_write(L, 2, lua_gettop(L) - 1, "result", &rules->bytes, &err) != 0) {
        struct buf text = {0};
        buf_addf(&text, "%.100s: %s", name, err.text);
        fail(rules, "result", "", text.data);
        buf_free(&text);
    }
    return 0;
}

// What failed for want of memory may have left the VM full; then it is made anew.
static void recover(struct rules *rules) {
    struct err err;
    lua_gc(rules->L, LUA_GCCOLLECT, 0);
    if (rules->budget.memory_used <= rules->loaded + (rules->limits.memory - rules->loaded) / 2)
        return;
    struct buf message = rules->message, traceback = rules->traceback;
    const char *code = rules->code;
    rules->message = rules->traceback = (struct buf){0};
    close_vm(rules);
    if (open_vm(rules, &err) != 0)
        log_event(LOG_ERROR, "the rules cannot be loaded again", "error", err.text, NULL);
    buf_free(&rules->message);
    buf_free(&rules->traceback);
    rules->message = message;
    rules->traceback = traceback;
    rules->code = code;
}

// More to read takes longer: a millisecond for each 256 bytes of arguments.
static unsigned call_budget_ms(const struct rules *rules) {
    unsigned base = rules->limits.call_ms;
    size_t more = rules->bytes.len / 256;
    return more < 3 * (size_t)base ? base + (unsigned)more : 4 * base;
}

// What the call has changed for others is put back, whatever came of it.
static void guard(struct rules *rules, const char *name) {
    char file[64], where[64], text[160];
    const char *dot = strrchr(name, '.');
    snprintf(file, sizeof file, "%.*s", dot ? (int)(dot - name) : 0, name);
    if (rules_guard_check(rules->L, rules->guard, file, where, sizeof where) || rules->code)
        return;
    snprintf(text, sizeof text, "it changes a table of rules/%s.lua, which is constant", where);
    fail(rules, "error", "", text);
}

static void call(struct rules *rules, const char *name) {
    rules->call_ms = call_budget_ms(rules);
    begin(rules, rules->call_ms);
    running = name;
    int status = lua_cpcall(rules->L, protected_call, (void *)(uintptr_t)name);
    running = NULL;
    if (!rules->code)
        settle(rules, rules->L, status, rules->call_ms);
    rules_budget_end(&rules->budget);
    if (rules->explains)
        rules->cpu_ns = rules_budget_cpu_ns(&rules->budget);
    lua_settop(rules->L, 0);
    guard(rules, name);
    if (rules->budget.over == RULES_OVER_MEMORY)
        recover(rules);
}

int rules_call(struct rules *rules, const char *name, lua_State *from, int first, int count,
               struct rules_failure *failure) {
    struct err err;
    if (!rules->L) {
        *failure = (struct rules_failure){"error", "the rules could not be loaded again", ""};
        return -1;
    }
    rules->code = NULL;
    rules->entry[0] = 0;
    buf_clear(&rules->bytes);
    buf_clear(&rules->traceback);
    if (rules_copy_write(from, first, count, "argument", &rules->bytes, &err) != 0) {
        struct buf text = {0};
        buf_addf(&text, "%.100s: %s", name, err.text);
        fail(rules, "argument", "", text.data);
        buf_free(&text);
    } else {
        call(rules, name);
    }
    if (rules->code) {
        const char *traceback = rules->traceback.data ? rules->traceback.data : "";
        *failure = (struct rules_failure){rules->code, rules->message.data, traceback};
        return -1;
    }
    int results = rules_copy_read(from, &rules->bytes);
    if (rules->bytes.cap > KEEP_BYTES)
        buf_free(&rules->bytes);
    return results;
}

void rules_explain(struct rules *rules) {
    rules->explains = true;
}

struct rules_account rules_account(const struct rules *rules) {
    size_t peak = rules->budget.memory_peak;
    return (struct rules_account){
        .explained = rules->explained.data ? rules->explained.data : "",
        .cpu_ns = rules->cpu_ns,
        .budget_ms = rules->call_ms,
        .bytes = peak > rules->bytes_before ? peak - rules->bytes_before : 0,
    };
}

const char *rules_called(const struct rules *rules) {
    return rules->entry;
}

const char *rules_revision(const struct rules *rules) {
    return rules_bundle_revision(rules->bundle);
}

const struct file *rules_find_file(const struct rules *rules, const char *name) {
    for (size_t i = 0; i < rules_bundle_count(rules->bundle); i++) {
        const struct file *file = rules_bundle_file(rules->bundle, i);
        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

size_t rules_memory(const struct rules *rules) {
    return rules->budget.memory_used;
}

const char *rules_only(const struct rules *rules) {
    return rules->only;
}

// Generations of a worker.

int rules_prepare(struct rules_slot *slot, struct rules_bundle *bundle,
                  const struct rules_limits *limits, struct err *err) {
    rules_cancel(slot);
    return rules_new(&slot->next, bundle, limits, err);
}

void rules_offer(struct rules_slot *slot, struct rules *made) {
    rules_cancel(slot);
    slot->next = made;
}

struct rules *rules_exchange(struct rules_slot *slot) {
    assert(slot->next);
    struct rules *old = slot->live;
    slot->live = slot->next;
    slot->next = NULL;
    return old;
}

void rules_commit(struct rules_slot *slot) {
    struct rules *old = rules_exchange(slot);
    if (old)
        rules_free(old);
}

void rules_cancel(struct rules_slot *slot) {
    if (slot->next)
        rules_free(slot->next);
    slot->next = NULL;
}

void rules_slot_free(struct rules_slot *slot) {
    rules_cancel(slot);
    if (slot->live)
        rules_free(slot->live);
    slot->live = NULL;
}
