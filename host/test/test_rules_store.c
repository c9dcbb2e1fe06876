#include "rules_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

#include "rules_store.h"

static char state_folder[96];

static int setup(void **state) {
    snprintf(state_folder, sizeof state_folder, "%s", "");
    int status = fixture_setup(state);
    snprintf(state_folder, sizeof state_folder, "%s/state", fixture_folder);
    return status;
}

static struct rules_bundle *make(const char *text) {
    struct rules_bundle *bundle;
    struct err err;
    fixture_write("a.lua", text, strlen(text));
    if (rules_bundle_read(&bundle, fixture_folder, &err) != 0)
        fail_msg("%s", err.text);
    return bundle;
}

static void put(const char *text) {
    struct rules_bundle *bundle = make(text);
    struct err err;
    if (rules_store_put(state_folder, bundle, &err) != 0)
        fail_msg("%s", err.text);
    rules_bundle_unref(bundle);
}

static void ban(const char *revision, const char *why) {
    struct err err;
    if (rules_store_ban(state_folder, revision, why, &err) != 0)
        fail_msg("%s", err.text);
}

static const char *revision(unsigned number, char text[65]) {
    snprintf(text, 65, "%064x", number);
    return text;
}

struct seen {
    char texts[256];
    int until; // the one to take; 0: none
    int count;
};

static bool take(void *user, struct rules_bundle *bundle) {
    struct seen *seen = user;
    strncat(seen->texts, rules_bundle_file(bundle, 0)->text,
            sizeof seen->texts - strlen(seen->texts) - 1);
    return ++seen->count == seen->until;
}

static void finds(const char *texts) {
    struct seen seen = {0};
    assert_false(rules_store_find(state_folder, take, &seen));
    assert_string_equal(seen.texts, texts);
}

// Of the copies, the one at that place in their order.
static void path_of(int place, char path[512]) {
    struct dirent **entries;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/rules", state_folder);
    int count = scandir(folder, &entries, NULL, alphasort);
    assert_true(count > place + 2);
    snprintf(path, 512, "%s/%s", folder, entries[place + 2]->d_name);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static void nothing_is_found_where_nothing_was_put(void **state) {
    (void)state;
    finds("");
}

static void the_latest_is_found_first(void **state) {
    (void)state;
    put("1");
    put("2");
    finds("21");
}

static void what_is_taken_ends_the_search(void **state) {
    (void)state;
    struct seen seen = {.until = 1};
    put("1");
    put("2");
    assert_true(rules_store_find(state_folder, take, &seen));
    assert_string_equal(seen.texts, "2");
}

static void the_last_three_are_kept(void **state) {
    (void)state;
    put("1");
    put("2");
    put("3");
    put("4");
    put("5");
    finds("543");
}

static void the_latest_is_not_written_again(void **state) {
    (void)state;
    put("1");
    put("1");
    finds("1");
}

static void one_that_comes_back_is_the_latest(void **state) {
    (void)state;
    put("1");
    put("2");
    put("1");
    finds("121");
}

static void what_was_taken_back_is_dropped(void **state) {
    (void)state;
    put("1");
    put("2");
    struct rules_bundle *bundle = make("2");
    ban(rules_bundle_revision(bundle), "too bad");
    rules_bundle_unref(bundle);
    finds("1");
}

static void what_was_taken_back_is_remembered_with_why(void **state) {
    (void)state;
    struct err why;
    char other[65];
    assert_false(rules_store_is_banned(state_folder, revision(1, other), &why));
    ban(revision(1, other), "30 of 40 calls failed");
    ban(revision(2, other), "an operator wanted it");
    assert_true(rules_store_is_banned(state_folder, revision(1, other), &why));
    assert_string_equal(why.text, "30 of 40 calls failed");
    assert_true(rules_store_is_banned(state_folder, revision(2, other), &why));
    assert_string_equal(why.text, "an operator wanted it");
    assert_false(rules_store_is_banned(state_folder, revision(3, other), &why));
}

static void the_last_word_on_a_revision_counts(void **state) {
    (void)state;
    struct err why;
    char text[65];
    ban(revision(1, text), "first");
    ban(revision(2, text), "other");
    ban(revision(1, text), "second");
    assert_true(rules_store_is_banned(state_folder, revision(1, text), &why));
    assert_string_equal(why.text, "second");
}

static void what_is_allowed_again_is_forgotten_and_no_other(void **state) {
    (void)state;
    struct err err;
    char text[65];
    assert_int_equal(rules_store_allow(state_folder, revision(1, text), &err), 0);
    ban(revision(1, text), "one");
    ban(revision(2, text), "two");
    assert_int_equal(rules_store_allow(state_folder, revision(1, text), &err), 0);
    assert_false(rules_store_is_banned(state_folder, revision(1, text), &err));
    assert_true(rules_store_is_banned(state_folder, revision(2, text), &err));
    assert_string_equal(err.text, "two");
}

static void of_many_that_were_taken_back_the_first_are_forgotten(void **state) {
    (void)state;
    struct err why;
    char text[65];
    for (unsigned i = 0; i < RULES_STORE_BANNED + 3; i++)
        ban(revision(i, text), "bad");
    for (unsigned i = 0; i < RULES_STORE_BANNED + 3; i++)
        assert_int_equal(rules_store_is_banned(state_folder, revision(i, text), &why), i >= 3);
}

static void a_list_that_was_cut_off_keeps_its_whole_lines(void **state) {
    (void)state;
    struct err why;
    char path[128], text[65];
    ban(revision(1, text), "one");
    ban(revision(2, text), "two");
    snprintf(path, sizeof path, "%s/rules/taken-back", state_folder);
    assert_int_equal(truncate(path, 64 + 1 + 4 + 64 + 2), 0);
    assert_true(rules_store_is_banned(state_folder, revision(1, text), &why));
    assert_false(rules_store_is_banned(state_folder, revision(2, text), &why));
    ban(revision(3, text), "three");
    assert_true(rules_store_is_banned(state_folder, revision(3, text), &why));
    assert_string_equal(why.text, "three");
}

static void where_nothing_can_be_written_it_says_so(void **state) {
    (void)state;
    struct err err;
    char text[65];
    fixture_write("state", "", 0); // a file, where the folder should be
    assert_int_equal(rules_store_ban(state_folder, revision(1, text), "bad", &err), -1);
    assert_non_null(strstr(err.text, state_folder));
}

static void a_damaged_copy_is_passed_over(void **state) {
    (void)state;
    char path[512];
    put("1");
    put("2");
    path_of(1, path);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, -2, SEEK_END);
    fputc('3', file);
    fclose(file);
    finds("1");
}

static void a_copy_that_is_cut_off_is_passed_over_at_every_length(void **state) {
    (void)state;
    char path[512];
    struct stat at;
    put("return {}");
    path_of(0, path);
    assert_int_equal(stat(path, &at), 0);
    for (off_t len = at.st_size - 1; len >= 0; len--) {
        assert_int_equal(truncate(path, len), 0);
        finds("");
    }
}

static void a_copy_is_for_its_owner_alone(void **state) {
    (void)state;
    char path[512];
    struct stat at;
    put("1");
    path_of(0, path);
    assert_int_equal(stat(path, &at), 0);
    assert_int_equal(at.st_mode & 0777, 0600);
}

static void a_folder_that_cannot_be_made_is_named(void **state) {
    (void)state;
    struct err err;
    struct rules_bundle *bundle = make("1");
    assert_int_equal(rules_store_put("/proc/nothing", bundle, &err), -1);
    assert_non_null(strstr(err.text, "/proc/nothing/rules cannot be made"));
    rules_bundle_unref(bundle);
}

static void a_copy_has_the_files_and_the_revision(void **state) {
    (void)state;
    struct err err;
    struct buf text = {0};
    fixture_write("b.json", "a\0b\n", 4);
    struct rules_bundle *bundle = make("return {}\n"), *again;
    rules_bundle_pack(bundle, &text);
    assert_int_equal(rules_bundle_unpack(&again, text.data, text.len, &err), 0);
    assert_string_equal(rules_bundle_revision(again), rules_bundle_revision(bundle));
    assert_int_equal(rules_bundle_count(again), 2);
    assert_string_equal(rules_bundle_file(again, 1)->name, "b.json");
    assert_memory_equal(rules_bundle_file(again, 1)->text, "a\0b\n", 5);
    rules_bundle_unref(again);
    rules_bundle_unref(bundle);
    buf_free(&text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(nothing_is_found_where_nothing_was_put),
        T(the_latest_is_found_first),
        T(what_is_taken_ends_the_search),
        T(the_last_three_are_kept),
        T(the_latest_is_not_written_again),
        T(one_that_comes_back_is_the_latest),
        T(what_was_taken_back_is_dropped),
        T(what_was_taken_back_is_remembered_with_why),
        T(the_last_word_on_a_revision_counts),
        T(what_is_allowed_again_is_forgotten_and_no_other),
        T(of_many_that_were_taken_back_the_first_are_forgotten),
        T(a_list_that_was_cut_off_keeps_its_whole_lines),
        T(where_nothing_can_be_written_it_says_so),
        T(a_damaged_copy_is_passed_over),
        T(a_copy_that_is_cut_off_is_passed_over_at_every_length),
        T(a_copy_is_for_its_owner_alone),
        T(a_folder_that_cannot_be_made_is_named),
        T(a_copy_has_the_files_and_the_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
