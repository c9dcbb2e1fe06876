#include "scripts_fixture.h"

#include <lauxlib.h>

#include "generation.h"
#include "metrics.h"

// The scripts note here what they do.
static const char NOTES[] = "return { text = \"\" }";
static const char SERVICE[] =
    "local fiber, notes = require(\"host.fiber\"), require(\"demo.notes\")\n"
    "local timer, worker = require(\"host.timer\"), require(\"host.worker\")\n"
    "local function note(word) notes.text = notes.text .. word .. \" \" end\n"
    "return { port = 8001, handle = function() end, start = function() %s end }\n";

static uv_loop_t loop;
static struct config *config;
static struct metric_shard *shard;
static struct generation *generation;

static int setup(void **state) {
    (void)state;
    scripts_open();
    scripts_make_folder("demo");
    scripts_write("demo/notes.lua", NOTES);
    config = scripts_config(NULL);
    shard = metrics_shard_new("demo");
    uv_loop_init(&loop);
    generation = NULL;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (generation)
        generation_free(generation);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    metrics_shard_free(shard);
    config_free(config);
    return scripts_close();
}

static int try_make(struct err *err) {
    const struct api_env parts = {
        .loop = &loop, .config = config, .service = "demo", .worker_count = 1, .metrics = shard};
    struct bundle *bundle = scripts_read();
    int status = generation_new(&generation, &parts, bundle, 8, err);
    bundle_release(bundle);
    return status;
}

static void make(const char *start) {
    char text[1024];
    struct err err;
    snprintf(text, sizeof text, SERVICE, start);
    scripts_write("demo/service.lua", text);
    if (try_make(&err) != 0)
        fail_msg("%s", err.text);
}

static void begin(const char *start) {
    make(start);
    generation_begin(generation);
}

static const char *notes(void) {
    lua_State *L = script_state(generation_script(generation));
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(L, -1, "demo.notes");
    lua_getfield(L, -1, "text");
    const char *text = lua_tostring(L, -1); // the module holds it
    lua_pop(L, 3);
    return text;
}

static void run_until_noted(const char *words) {
    bool alive = true;
    while (alive && strcmp(notes(), words) != 0)
        alive = uv_run(&loop, UV_RUN_ONCE) != 0;
    assert_string_equal(notes(), words);
}

static void run_until_gone(void) {
    while (!generation_reap(generation)) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    generation = NULL;
}

static void what_does_not_load_is_refused_with_file_and_line(void **state) {
    (void)state;
    struct err err;
    scripts_write("demo/service.lua", "\n\nerror(\"on purpose\")");
    assert_int_equal(try_make(&err), -1);
    assert_non_null(strstr(err.text, "demo/service.lua:3: on purpose"));
}

static void to_be_made_runs_nothing(void **state) {
    (void)state;
    make("note(\"started\")");
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(notes(), "");
    generation_begin(generation);
    assert_string_equal(notes(), "started ");
    assert_int_equal(generation_has_begun(generation, NULL), GENERATION_BEGAN);
}

static void a_start_that_waits_begins_until_it_has_ended(void **state) {
    (void)state;
    begin("fiber.sleep(1) note(\"slept\")");
    assert_int_equal(generation_has_begun(generation, NULL), GENERATION_BEGINS);
    run_until_noted("slept ");
    assert_int_equal(generation_has_begun(generation, NULL), GENERATION_BEGAN);
}

static void a_start_that_fails_says_why(void **state) {
    (void)state;
    struct err err;
    begin("error(\"no luck\")");
    assert_int_equal(generation_has_begun(generation, &err), GENERATION_BROKE);
    assert_non_null(strstr(err.text, "demo/service.lua:4: no luck"));
}

static void a_retired_one_is_told_and_says_its_last_word_once(void **state) {
    (void)state;
    begin("worker.at_end(function() note(worker.ending() and \"ending\" or \"going on\") end)");
    assert_false(generation_has_ended(generation));
    generation_retire(generation);
    generation_retire(generation);
    generation_end(generation);
    run_until_noted("ending ");
    assert_true(generation_has_ended(generation));
    run_until_gone();
}

static void the_last_word_of_a_program_is_said_while_it_goes_on(void **state) {
    (void)state;
    begin("worker.at_end(function() note(worker.ending() and \"ending\" or \"going on\") end)");
    generation_end(generation);
    assert_string_equal(notes(), "going on ");
}

static void a_last_word_that_fails_ends_too(void **state) {
    (void)state;
    begin("worker.at_end(function() error(\"on purpose\") end)");
    generation_retire(generation);
    assert_true(generation_has_ended(generation));
    run_until_gone();
}

static void it_goes_only_when_its_fibers_have_ended(void **state) {
    (void)state;
    begin("worker.at_end(function() fiber.sleep(1) note(\"slept\") end)");
    generation_retire(generation);
    assert_false(generation_has_ended(generation));
    assert_false(generation_reap(generation));
    run_until_noted("slept ");
    run_until_gone();
}

static void a_loop_that_rests_is_woken_to_see_that_it_should_end(void **state) {
    (void)state;
    begin("fiber.spawn(function()\n"
          "  while not worker.ending() do fiber.sleep(3600000) end\n"
          "  note(\"woken\")\n"
          "  fiber.sleep(1)\n"
          "end)");
    generation_retire(generation);
    while (strcmp(notes(), "woken ") != 0) {
        if (generation_reap(generation)) {
            generation = NULL;
            fail_msg("it went while a loop rested");
        }
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    run_until_gone();
}

static void timers_tick_until_it_is_retired(void **state) {
    (void)state;
    begin("timer.every(1, function() notes.text = worker.ending() and \"late\" or \"tick\" end)\n"
          "worker.at_end(function() fiber.sleep(30) end)");
    run_until_noted("tick");
    generation_retire(generation);
    while (!generation_has_ended(generation))
        uv_run(&loop, UV_RUN_ONCE);
    assert_string_equal(notes(), "tick");
    run_until_gone();
}

static int cut;

static void on_cut(struct generation_request *request) {
    (void)request;
    cut++;
}

static void a_request_keeps_it_until_it_is_answered(void **state) {
    (void)state;
    struct generation_request first = {.on_cut = on_cut}, second = {.on_cut = on_cut};
    cut = 0;
    begin("");
    generation_add(generation, &first);
    generation_add(generation, &second);
    assert_ptr_equal(second.generation, generation);
    generation_retire(generation);
    assert_false(generation_reap(generation));
    generation_remove(&first);
    assert_false(generation_reap(generation));
    generation_remove(&second);
    run_until_gone();
    assert_int_equal(cut, 0);
}

static void what_is_not_answered_is_cut_when_it_is_freed(void **state) {
    (void)state;
    struct generation_request requests[3] = {
        {.on_cut = on_cut}, {.on_cut = on_cut}, {.on_cut = on_cut}};
    cut = 0;
    begin("");
    for (int i = 0; i < 3; i++)
        generation_add(generation, &requests[i]);
    generation_remove(&requests[1]);
    generation_free(generation);
    generation = NULL;
    assert_int_equal(cut, 2);
}

static void it_may_be_freed_while_fibers_and_timers_wait(void **state) {
    (void)state;
    begin("timer.every(1, function() end)\n"
          "fiber.spawn(function() fiber.sleep(3600000) note(\"never\") end)\n"
          "fiber.sleep(3600000)");
    assert_int_equal(generation_has_begun(generation, NULL), GENERATION_BEGINS);
    generation_free(generation);
    generation = NULL; // teardown runs the loop to its end
}

static void two_are_apart(void **state) {
    (void)state;
    begin("note(\"one\")");
    struct generation *first = generation;
    begin("note(\"two\")");
    assert_string_equal(notes(), "two ");
    struct generation *second = generation;
    generation = first;
    assert_string_equal(notes(), "one ");
    generation_retire(first);
    run_until_gone();
    generation = second;
    assert_string_equal(notes(), "two ");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void tables_are_walked_by_functions_that_are_not_compiled(void **state) {
    (void)state;
    begin("local count = 0 "
          "for key, value in pairs({ 1, 2, a = 3 }) do count = count + value end note(count) "
          "for _, value in next, { 4 } do note(value) end "
          "note(tostring(next({}))) note(next({ 5 }, nil)) "
          "note(tostring(pcall(next, 1))) note(tostring(pcall(pairs, nil))) "
          "note(tostring(pcall(next, {}, \"no key\"))) "
          "note(tostring(tostring(next):find(\"builtin\"))) "
          "note(tostring(tostring((pairs({}))):find(\"builtin\")))");
    assert_string_equal(notes(), "6 4 nil 1 false false false nil nil ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_does_not_load_is_refused_with_file_and_line),
        T(to_be_made_runs_nothing),
        T(a_start_that_waits_begins_until_it_has_ended),
        T(a_start_that_fails_says_why),
        T(a_retired_one_is_told_and_says_its_last_word_once),
        T(the_last_word_of_a_program_is_said_while_it_goes_on),
        T(a_last_word_that_fails_ends_too),
        T(it_goes_only_when_its_fibers_have_ended),
        T(a_loop_that_rests_is_woken_to_see_that_it_should_end),
        T(timers_tick_until_it_is_retired),
        T(a_request_keeps_it_until_it_is_answered),
        T(what_is_not_answered_is_cut_when_it_is_freed),
        T(it_may_be_freed_while_fibers_and_timers_wait),
        T(two_are_apart),
        T(tables_are_walked_by_functions_that_are_not_compiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
