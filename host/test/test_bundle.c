#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"

static const struct bundle_limits LIMITS = {.bytes = 1000, .files = 4};
static char folder[64];

static void make_path(char path[256], const char *name) {
    snprintf(path, 256, "%s/%s", folder, name);
}

static void write_text(const char *name, const char *text) {
    char path[256];
    make_path(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(const char *name) {
    char path[256];
    make_path(path, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/todo-bundle-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct bundle *read_it(void) {
    struct bundle *bundle;
    struct err err;
    if (bundle_read(&bundle, folder, &LIMITS, &err) != 0)
        fail_msg("%s", err.text);
    return bundle;
}

static void refuses(const char *words) {
    struct bundle *bundle;
    struct err err;
    assert_int_equal(bundle_read(&bundle, folder, &LIMITS, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
}

static void lua_files_are_read_in_the_order_of_their_paths(void **state) {
    (void)state;
    size_t len;
    make_folder("b");
    write_text("b/c.lua", "two");
    write_text("a.lua", "one");
    write_text("notes.txt", "no");
    struct bundle *bundle = read_it();
    assert_int_equal(bundle_count(bundle), 2);
    assert_string_equal(bundle_path(bundle, 0), "a.lua");
    assert_string_equal(bundle_path(bundle, 1), "b/c.lua");
    assert_memory_equal(bundle_find(bundle, "b/c.lua", &len), "two", 3);
    assert_int_equal(len, 3);
    assert_null(bundle_find(bundle, "c.lua", &len));
    assert_string_equal(bundle_folder(bundle), folder);
    bundle_release(bundle);
}

static void what_begins_with_a_dot_is_passed_over(void **state) {
    (void)state;
    make_folder("..data");
    write_text("..data/a.lua", "one");
    write_text(".a.lua", "one");
    struct bundle *bundle = read_it();
    assert_int_equal(bundle_count(bundle), 0);
    bundle_release(bundle);
}

static void a_bundle_lives_as_long_as_one_holds_it(void **state) {
    (void)state;
    write_text("a.lua", "one");
    struct bundle *bundle = read_it();
    assert_ptr_equal(bundle_hold(bundle), bundle);
    bundle_release(bundle);
    assert_int_equal(bundle_count(bundle), 1);
    bundle_release(bundle);
}

static void bundles_are_compared_by_file_and_by_folder(void **state) {
    (void)state;
    make_folder("x");
    make_folder("y");
    write_text("x/a.lua", "one");
    write_text("y/a.lua", "one");
    struct bundle *before = read_it();
    write_text("x/a.lua", "two");
    write_text("y/b.lua", "");
    struct bundle *after = read_it();
    assert_string_not_equal(bundle_revision(before), bundle_revision(after));
    assert_false(bundle_same_file(before, after, "x/a.lua"));
    assert_true(bundle_same_file(before, after, "y/a.lua"));
    assert_false(bundle_same_file(before, after, "y/b.lua"));
    assert_true(bundle_same_file(before, after, "z.lua"));
    assert_false(bundle_same_below(before, after, "x/"));
    assert_false(bundle_same_below(before, after, "y/"));
    assert_false(bundle_same_below(after, before, "y/"));
    assert_true(bundle_same_below(before, after, "z/"));
    bundle_release(before);
    bundle_release(after);
}

static void a_moved_byte_is_another_revision(void **state) {
    (void)state;
    write_text("a.lua", "12");
    write_text("b.lua", "3");
    struct bundle *before = read_it();
    write_text("a.lua", "1");
    write_text("b.lua", "23");
    struct bundle *after = read_it();
    assert_string_not_equal(bundle_revision(before), bundle_revision(after));
    bundle_release(before);
    bundle_release(after);
}

static void too_many_bytes_are_refused(void **state) {
    (void)state;
    char text[1002];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    write_text("a.lua", text);
    refuses("more than 1000 bytes in all");
}

static void too_many_files_are_refused(void **state) {
    (void)state;
    char name[24];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "a%d.lua", i);
        write_text(name, "");
    }
    refuses("more than 4 files");
}

static void a_link_to_nothing_and_a_pipe_are_refused(void **state) {
    (void)state;
    char path[256];
    make_path(path, "a.lua");
    assert_int_equal(symlink("nothing", path), 0);
    refuses("a.lua: No such file");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses("a.lua is not a file");
}

static void a_folder_that_leads_into_itself_is_refused(void **state) {
    (void)state;
    char path[256];
    make_path(path, "again");
    assert_int_equal(symlink(".", path), 0);
    refuses("more than 16 folders deep");
}

static void a_folder_that_is_not_there_is_refused(void **state) {
    (void)state;
    struct bundle *bundle;
    struct err err;
    assert_int_equal(bundle_read(&bundle, "/nonexistent", &LIMITS, &err), -1);
    assert_string_equal(err.text, "cannot read /nonexistent: No such file or directory");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(lua_files_are_read_in_the_order_of_their_paths),
        T(what_begins_with_a_dot_is_passed_over),
        T(a_bundle_lives_as_long_as_one_holds_it),
        T(bundles_are_compared_by_file_and_by_folder),
        T(a_moved_byte_is_another_revision),
        T(too_many_bytes_are_refused),
        T(too_many_files_are_refused),
        T(a_link_to_nothing_and_a_pipe_are_refused),
        T(a_folder_that_leads_into_itself_is_refused),
        T(a_folder_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
