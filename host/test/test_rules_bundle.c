#include "rules_fixture.h"

#include <sys/stat.h>

static void read_into(struct rules_bundle **bundle) {
    struct err err;
    if (rules_bundle_read(bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
}

static void refuses(const char *words) {
    struct rules_bundle *bundle;
    struct err err;
    assert_int_equal(rules_bundle_read(&bundle, fixture_folder, &err), -1);
    if (!strstr(err.text, words) || !strstr(err.text, fixture_folder))
        fail_msg("%s", err.text);
}

static void link_to(const char *target, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture_folder, name);
    assert_int_equal(symlink(target, path), 0);
}

static void make_folder(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture_folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void files_are_read_in_order(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    fixture_write("b.lua", "two", 3);
    fixture_write("a.lua", "one", 3);
    fixture_write("c.json", "{}", 2);
    fixture_write("README.md", "no", 2);
    read_into(&bundle);
    assert_int_equal(rules_bundle_count(bundle), 3);
    assert_string_equal(rules_bundle_file(bundle, 0)->name, "a.lua");
    assert_string_equal(rules_bundle_file(bundle, 1)->text, "two");
    assert_string_equal(rules_bundle_file(bundle, 2)->name, "c.json");
    rules_bundle_unref(bundle);
}

static void the_revision_is_of_names_and_contents(void **state) {
    (void)state;
    char first[65];
    struct rules_bundle *bundle;
    fixture_write("a.lua", "one", 3);
    fixture_write("notes.txt", "x", 1);
    read_into(&bundle);
    snprintf(first, sizeof first, "%s", rules_bundle_revision(bundle));
    assert_int_equal(strlen(first), 64);
    rules_bundle_unref(bundle);
    fixture_write("notes.txt", "y", 1);
    read_into(&bundle);
    assert_string_equal(rules_bundle_revision(bundle), first);
    rules_bundle_unref(bundle);
    fixture_write("a.lua", "ona", 3);
    read_into(&bundle);
    assert_string_not_equal(rules_bundle_revision(bundle), first);
    rules_bundle_unref(bundle);
    fixture_write("a.lua", "one", 3);
    fixture_write("b.lua", "", 0);
    read_into(&bundle);
    assert_string_not_equal(rules_bundle_revision(bundle), first);
    rules_bundle_unref(bundle);
}

static void a_mounted_config_map_is_read_through_its_links(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    make_folder("..2026");
    fixture_write("..2026/a.lua", "new", 3);
    link_to("..2026", "..data");
    link_to("..data/a.lua", "a.lua");
    read_into(&bundle);
    assert_int_equal(rules_bundle_count(bundle), 1);
    assert_string_equal(rules_bundle_file(bundle, 0)->text, "new");
    rules_bundle_unref(bundle);
}

static void a_link_is_followed(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    fixture_write("text", "linked", 6);
    link_to("text", "a.lua");
    read_into(&bundle);
    assert_string_equal(rules_bundle_file(bundle, 0)->text, "linked");
    rules_bundle_unref(bundle);
}

static void a_link_that_leaves_the_folder_is_refused(void **state) {
    (void)state;
    link_to("/etc/hostname", "a.lua");
    refuses("a.lua is a link that leaves the folder");
}

static void a_folder_beside_it_whose_name_begins_the_same_is_outside(void **state) {
    (void)state;
    char beside[128], path[160], command[192];
    snprintf(beside, sizeof beside, "%s-beside", fixture_folder);
    assert_int_equal(mkdir(beside, 0755), 0);
    snprintf(path, sizeof path, "%s/a.lua", beside);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    link_to(path, "a.lua");
    refuses("a.lua is a link that leaves the folder");
    snprintf(command, sizeof command, "rm -rf %s", beside);
    assert_int_equal(system(command), 0);
}

static void a_config_map_that_is_elsewhere_is_refused(void **state) {
    (void)state;
    link_to("/etc", "..data");
    refuses("..data is a link that leaves the folder");
}

static void open_to_all(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture_folder, name);
    assert_int_equal(chmod(path, 0777), 0);
}

static void a_file_that_everybody_may_write_is_refused(void **state) {
    (void)state;
    fixture_write("a.lua", "", 0);
    open_to_all("a.lua");
    refuses("everybody may write a.lua");
}

static void a_folder_that_everybody_may_write_is_refused(void **state) {
    (void)state;
    fixture_write("a.lua", "", 0);
    open_to_all("");
    refuses("everybody may write the folder");
}

static void a_folder_that_a_link_leads_to_may_not_be_open_to_all(void **state) {
    (void)state;
    make_folder("below");
    fixture_write("below/a.lua", "", 0);
    open_to_all("below");
    link_to("below/a.lua", "a.lua");
    refuses("everybody may write the folder");
}

static void a_link_to_nothing_is_refused(void **state) {
    (void)state;
    link_to("nothing", "a.lua");
    refuses("a.lua cannot be opened: No such file");
}

static void a_folder_that_is_called_a_file_is_refused(void **state) {
    (void)state;
    make_folder("a.lua");
    refuses("a.lua is not a regular file");
}

static void a_pipe_is_refused(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/a.lua", fixture_folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses("a.lua is not a regular file");
}

static void a_name_that_cannot_be_required_is_refused(void **state) {
    (void)state;
    fixture_write("a-b.lua", "", 0);
    refuses("a-b.lua: a name must be letters, digits and _");
}

static void a_large_file_is_refused(void **state) {
    (void)state;
    char path[256];
    fixture_write("a.lua", "", 0);
    snprintf(path, sizeof path, "%s/a.lua", fixture_folder);
    assert_int_equal(truncate(path, RULES_MAX_FILE_BYTES + 1), 0);
    refuses("a.lua is larger than 1048576 bytes");
}

static void large_files_together_are_refused(void **state) {
    (void)state;
    char path[256], name[32];
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "a%d.lua", i);
        fixture_write(name, "", 0);
        snprintf(path, sizeof path, "%s/%s", fixture_folder, name);
        assert_int_equal(truncate(path, RULES_MAX_FILE_BYTES), 0);
    }
    refuses("larger than 8388608 bytes together");
}

static void too_many_files_are_refused(void **state) {
    (void)state;
    char name[32];
    for (int i = 0; i <= RULES_MAX_FILES; i++) {
        snprintf(name, sizeof name, "a%d.json", i);
        fixture_write(name, "", 0);
    }
    refuses("more than 256 files");
}

static void an_empty_folder_is_refused(void **state) {
    (void)state;
    refuses("there is no .lua file");
}

static void a_folder_that_is_not_there_is_refused(void **state) {
    (void)state;
    struct rules_bundle *bundle;
    struct err err;
    assert_int_equal(rules_bundle_read(&bundle, "/nonexistent", &err), -1);
    assert_string_equal(err.text, "the rules folder /nonexistent cannot be opened: No such file or "
                                  "directory");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(files_are_read_in_order),
        T(the_revision_is_of_names_and_contents),
        T(a_mounted_config_map_is_read_through_its_links),
        T(a_link_is_followed),
        T(a_link_that_leaves_the_folder_is_refused),
        T(a_folder_beside_it_whose_name_begins_the_same_is_outside),
        T(a_config_map_that_is_elsewhere_is_refused),
        T(a_file_that_everybody_may_write_is_refused),
        T(a_folder_that_everybody_may_write_is_refused),
        T(a_folder_that_a_link_leads_to_may_not_be_open_to_all),
        T(a_link_to_nothing_is_refused),
        T(a_folder_that_is_called_a_file_is_refused),
        T(a_pipe_is_refused),
        T(a_name_that_cannot_be_required_is_refused),
        T(a_large_file_is_refused),
        T(large_files_together_are_refused),
        T(too_many_files_are_refused),
        T(an_empty_folder_is_refused),
        T(a_folder_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
