#include "command.h"

#include <lua.h>
#include <uv.h>

#include "api/api.h"
#include "api/trial.h"
#include "script.h"

enum { TICK_MS = 20, CONNECT_MS = 10000, TOTAL_MS = 30000, FIBERS = 64 };

struct command {
    uv_loop_t loop;
    uv_timer_t tick;
    uint64_t began; // loop time
    struct api_env env;
    struct bundle *bundle;
    struct script *script;
    const struct command_options *options;
    bool started, ended;
    enum command_status status;
    struct buf *out;
    struct err *err;
};

static void end(struct command *command, enum command_status status) {
    command->ended = true;
    command->status = status;
}

static void on_done(void *user, lua_State *L, bool ok, int count) {
    struct command *command = user;
    int first = lua_gettop(L) - count + 1;
    const char *text = ok && count >= 1 ? lua_tostring(L, first) : NULL;
    const char *why = ok ? count >= 2 ? lua_tostring(L, first + 1) : NULL : lua_tostring(L, -1);
    enum command_status status = text ? COMMAND_DONE : COMMAND_FAILED;
    if (ok && count >= 3 && lua_type(L, first + 2) == LUA_TNUMBER)
        status = (enum command_status)lua_tointeger(L, first + 2);
    else if (ok && count >= 3 && lua_toboolean(L, first + 2))
        status = COMMAND_MISUSED;
    if (text)
        buf_adds(command->out, text);
    if (why || (!text && status != COMMAND_DONE))
        err_set(command->err, "%s", why ? why : "the command failed");
    end(command, status);
}

static void start(struct command *command) {
    command->started = true;
    const struct command_options *options = command->options;
    if (script_push_command(command->script, options->name, options->words, options->count,
                            command->err) != 0) {
        end(command, COMMAND_FAILED);
        return;
    }
    if (fiber_start(command->env.fibers, script_state(command->script), options->count, on_done,
                    command, NULL) == 0)
        return;
    err_set(command->err, "the command did not start");
    end(command, COMMAND_FAILED);
}

static void on_tick(uv_timer_t *timer) {
    struct command *command = timer->data;
    uint64_t passed = uv_now(&command->loop) - command->began;
    if (command->ended)
        return;
    if (!command->started && (!command->env.db || db_ready(command->env.db))) {
        start(command);
    } else if (!command->started && passed > CONNECT_MS) {
        err_set(command->err, "the database cannot be reached: %s", db_trouble(command->env.db));
        end(command, COMMAND_FAILED);
    } else if (passed > TOTAL_MS) {
        err_set(command->err, "it did not end within %d s; what it has done so far is done",
                TOTAL_MS / 1000);
        end(command, COMMAND_FAILED);
    }
}

// What services must not do: read folders and standard input, and wait for both.
static void add_trial(lua_State *L) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, api_open_trial);
    lua_setfield(L, -2, "host.trial");
    lua_pop(L, 2);
}

static int open_parts(struct command *command, const struct config *config) {
    const struct http_client_limits limits = {
        .max_connections = 8, .max_per_host = 8, .max_in_flight = FIBERS};
    const struct db_options db = {.url = config_string(config, "DATABASE_URL"),
                                  .connections = 1,
                                  .queue_wait_ms = 2000,
                                  .reply_wait_ms = 5000};
    uv_loop_init(&command->loop);
    uv_timer_init(&command->loop, &command->tick);
    command->tick.data = command;
    command->began = uv_now(&command->loop);
    command->env = (struct api_env){.loop = &command->loop,
                                    .config = config,
                                    .service = "command",
                                    .worker_count = 1,
                                    .services = command->options->services,
                                    .service_count = command->options->service_count,
                                    .started_ms = uv_hrtime() / 1000000,
                                    .metrics = metrics_shard_new(NULL)};
    if (command->options->needs_database)
        command->env.db = db_new(&command->loop, &db);
    if (http_client_new(&command->env.http, &command->loop, &limits, command->err) != 0)
        return -1;
    if (bundle_read(&command->bundle, config_string(config, "SCRIPTS_DIR"), &SCRIPT_LIMITS,
                    command->err) != 0)
        return -1;
    command->script = script_new(&command->env, command->bundle);
    add_trial(script_state(command->script));
    command->env.fibers = fiber_pool_new(script_state(command->script), &command->loop, FIBERS);
    return 0;
}

static void close_parts(struct command *command) {
    struct api_env *env = &command->env;
    env->closing = true;
    api_end_sleeps(env);
    if (env->fibers)
        fiber_pool_free(env->fibers);
    if (command->script)
        script_free(command->script);
    bundle_release(command->bundle);
    if (env->http)
        http_client_free(env->http);
    if (env->db)
        db_free(env->db);
    uv_close((uv_handle_t *)&command->tick, NULL);
    uv_run(&command->loop, UV_RUN_DEFAULT);
    uv_loop_close(&command->loop);
    metrics_shard_free(env->metrics);
}

// libpq and tracebacks say things in several lines.
static void make_one_line(struct err *err) {
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

enum command_status command_execute(const struct config *config,
                                    const struct command_options *options, struct buf *out,
                                    struct err *err) {
    struct command command = {.options = options, .out = out, .err = err};
    err->text[0] = 0;
    if (open_parts(&command, config) != 0)
        end(&command, COMMAND_FAILED);
    else
        uv_timer_start(&command.tick, on_tick, 0, TICK_MS);
    while (!command.ended)
        uv_run(&command.loop, UV_RUN_ONCE);
    close_parts(&command);
    make_one_line(err);
    return command.status;
}
