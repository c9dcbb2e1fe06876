#include "test.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "fiber.h"

static uv_loop_t loop;
static lua_State *L;
static struct fiber_pool *pool;
static struct fiber_token token; // of the last `wait`
static char trace[256];

static int wait_binding(lua_State *S) {
    token = fiber_wait(S, (uint64_t)luaL_optinteger(S, 1, 60000));
    return fiber_yield(S);
}

static int note_binding(lua_State *S) {
    strncat(trace, luaL_checkstring(S, 1), sizeof trace - strlen(trace) - 1);
    return 0;
}

static void on_done(void *user, lua_State *S, bool ok, int count) {
    int *ended = user;
    (*ended)++;
    strncat(trace, ok ? "|ok:" : "|error:", sizeof trace - strlen(trace) - 1);
    if (count > 0)
        strncat(trace, lua_tostring(S, -1), 60);
}

static int spawn_binding(lua_State *S) {
    lua_settop(S, 1);
    lua_pushboolean(S, fiber_start(pool, S, 0, NULL, NULL, NULL) == 0);
    return 1;
}

static int push_word(lua_State *S, void *user) {
    lua_pushstring(S, user);
    return 1;
}

static int setup(void **state) {
    (void)state;
    trace[0] = 0;
    uv_loop_init(&loop);
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_register(L, "wait", wait_binding);
    lua_register(L, "note", note_binding);
    lua_register(L, "spawn", spawn_binding);
    pool = fiber_pool_new(L, &loop, 3);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fiber_pool_free(pool);
    lua_close(L);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int start(const char *script, int *ended) {
    assert_int_equal(luaL_loadstring(L, script), 0);
    return fiber_start(pool, L, 0, on_done, ended, NULL);
}

static void test_runs_to_its_end(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("note('a') return 'b'", &ended), 0);
    assert_int_equal(ended, 1);
    assert_string_equal(trace, "a|ok:b");
    assert_int_equal(fiber_alive(pool), 0);
}

static void test_waits_and_gets_what_is_pushed(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("return 'got ' .. wait()", &ended), 0);
    assert_int_equal(fiber_alive(pool), 1);
    assert_true(fiber_resume(pool, token, push_word, "it"));
    assert_string_equal(trace, "|ok:got it");
}

static void test_drops_a_late_completion(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("wait() note('1') wait() note('2')", &ended), 0);
    struct fiber_token first = token;
    assert_true(fiber_resume(pool, first, NULL, NULL));
    assert_false(fiber_resume(pool, first, NULL, NULL)); // the same completion again
    assert_true(fiber_resume(pool, token, NULL, NULL));
    assert_false(fiber_resume(pool, token, NULL, NULL)); // after its end
    assert_int_equal(start("wait() note('3')", &ended), 0);
    assert_false(fiber_resume(pool, first, NULL, NULL)); // another fiber in the same place
    assert_string_equal(trace, "12|ok:");
    assert_int_equal(fiber_stale_count(pool), 3);
}

static void test_ends_a_wait_at_its_deadline(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("local v, err = wait(60) return tostring(v) .. err.code", &ended), 0);
    uv_timer_t hold; // the pool's own timer does not keep a loop alive
    uv_timer_init(&loop, &hold);
    uv_timer_start(&hold, (uv_timer_cb)(void (*)(void))uv_timer_stop, 5000, 0);
    while (ended == 0)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&hold, NULL);
    assert_string_equal(trace, "|ok:niltimeout");
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void test_an_error_ends_one_fiber_only(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("wait() note('alive')", &ended), 0);
    struct fiber_token other = token;
    assert_int_equal(start("error('broken', 0)", &ended), 0);
    assert_non_null(strstr(trace, "|error:broken"));
    assert_true(fiber_resume(pool, other, NULL, NULL));
    assert_non_null(strstr(trace, "alive"));
    assert_int_equal(start("note('again')", &ended), 0);
    assert_int_equal(ended, 3);
}

static void test_refuses_more_than_its_most(void **state) {
    (void)state;
    int ended = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(start("wait()", &ended), 0);
    assert_int_equal(start("note('x')", &ended), -1);
    lua_pop(L, 1);
    assert_true(fiber_resume(pool, token, NULL, NULL));
    assert_int_equal(start("note('x')", &ended), 0);
}

static void test_a_fiber_started_by_another_runs_after_it(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("spawn(function() note('b') end) note('a')", &ended), 0);
    assert_string_equal(trace, "a|ok:b");
}

static void test_yielding_by_oneself_is_an_error(void **state) {
    (void)state;
    int ended = 0;
    assert_int_equal(start("coroutine.yield()", &ended), 0);
    assert_non_null(strstr(trace, "|error:"));
    assert_int_equal(fiber_alive(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_and_gets_what_is_pushed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drops_a_late_completion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_a_wait_at_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_error_ends_one_fiber_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_more_than_its_most, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_fiber_started_by_another_runs_after_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_yielding_by_oneself_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
