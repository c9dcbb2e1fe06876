#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch.h"

static char folder[64], path[256], other[256];
static struct watch *watch;

static void write_text(const char *name, const char *text) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void open_watch(int look_ms, int max_folders) {
    const char *folders[] = {folder};
    const struct watch_options options = {folders, 1, look_ms, max_folders};
    watch = watch_new(&options);
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/todo-watch-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_text("a.lua", "1");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    watch_free(watch);
    snprintf(path, sizeof path, "rm -rf %s %s.old", folder, folder);
    return system(path);
}

static void a_write_is_heard(void **state) {
    (void)state;
    open_watch(60000, 0);
    assert_true(watch_is_live(watch));
    write_text("a.lua", "2");
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
}

static void a_rename_is_heard(void **state) {
    (void)state;
    write_text("b", "2");
    open_watch(60000, 0);
    snprintf(other, sizeof other, "%s/a.lua", folder);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
}

static void a_link_that_moves_is_heard(void **state) {
    (void)state;
    open_watch(60000, 0);
    snprintf(path, sizeof path, "%s/..data_tmp", folder);
    snprintf(other, sizeof other, "%s/..data", folder);
    assert_int_equal(symlink("..1", path), 0);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
}

static void what_a_config_map_leaves_behind_is_not_heard(void **state) {
    (void)state;
    open_watch(200, 0);
    snprintf(path, sizeof path, "%s/..1", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_LOOK);
}

static void a_folder_that_is_replaced_is_followed(void **state) {
    (void)state;
    open_watch(60000, 0);
    snprintf(other, sizeof other, "%s.old", folder);
    assert_int_equal(rename(folder, other), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
    write_text("a.lua", "3");
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
}

static void without_watches_it_looks(void **state) {
    (void)state;
    open_watch(20, 1);
    assert_false(watch_is_live(watch));
    assert_int_equal(watch_wait(watch, 0), WATCH_LOOK);
}

static void it_is_asked_and_stopped(void **state) {
    (void)state;
    open_watch(60000, 0);
    watch_ask(watch);
    assert_int_equal(watch_wait(watch, 0), WATCH_ASKED);
    watch_stop(watch);
    assert_int_equal(watch_wait(watch, 0), WATCH_STOPPED);
    assert_int_equal(watch_wait(watch, 0), WATCH_STOPPED);
}

static void to_be_woken_is_not_to_be_asked(void **state) {
    (void)state;
    open_watch(60000, 0);
    watch_wake(watch);
    assert_int_equal(watch_wait(watch, 0), WATCH_LOOK);
    watch_wake(watch);
    watch_ask(watch);
    assert_int_equal(watch_wait(watch, 0), WATCH_ASKED);
    write_text("a.lua", "2");
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
}

static void it_tells_in_which_folder_something_has_changed(void **state) {
    (void)state;
    char inner[128];
    snprintf(inner, sizeof inner, "%s/rules", folder);
    snprintf(other, sizeof other, "%s.old", folder); // is removed with it
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(mkdir(other, 0755), 0);
    const char *folders[] = {folder, other, inner};
    const struct watch_options options = {folders, 3, 60000, 0};
    watch = watch_new(&options);
    write_text("a.lua", "2");
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
    assert_int_equal(watch_where(watch), 1);
    write_text("rules/a.lua", "2");
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
    assert_int_equal(watch_where(watch), 1 | 4);
    assert_int_equal(rmdir(other), 0);
    assert_int_equal(watch_wait(watch, 0), WATCH_CHANGED);
    assert_int_equal(watch_where(watch), 2);
    write_text("a.lua", "3");
    while (!watch_is_pending(watch, 1))
        ;
    assert_false(watch_is_pending(watch, 2));
    watch_ask(watch);
    assert_int_equal(watch_wait(watch, 0), WATCH_ASKED);
    assert_int_equal(watch_where(watch) & 7, 7);
    assert_false(watch_is_pending(watch, 7));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rename_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_that_moves_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_config_map_leaves_behind_is_not_heard, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_replaced_is_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(without_watches_it_looks, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_asked_and_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(to_be_woken_is_not_to_be_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(it_tells_in_which_folder_something_has_changed, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
