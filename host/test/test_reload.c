#include "port_fixture.h"
#include "revision_fixture.h"
#include "scripts_fixture.h"

#include <time.h>
#include <utime.h>

#include "reload.h"
#include "rollback.h"
#include "worker.h"

// Two services with real workers, two of "one" and one of "two"; each worker has a port of its own.
enum { SERVICES = 2, WORKERS = 3, PATIENCE_S = 60 };

static const char *const NAMES[SERVICES] = {"one", "two"};
static const int SERVICE_OF[WORKERS] = {0, 0, 1};
static const char SERVICE[] =
    "local rules, word = require(\"host.rules\"), require(\"%s.word\")\n"
    "local worker, vm = require(\"host.worker\"), tostring({})\n"
    "return { port = %d, reloads = true,\n"
    "  handle = function()\n"
    "    local said = rules.call(\"a.say\")\n"
    "    return 200, {}, word .. \" \" .. (said or \"?\") .. \" \" .. vm\n"
    "  end,\n"
    "  start = function() %s end }\n";

static struct config *config;
static struct bundle *scripts;
static struct rules_bundle *rules;
static struct script_service services[SERVICES];
static struct worker *workers[WORKERS];
static int ports[WORKERS], holders[WORKERS];
static struct reload *reload;

static int database = -1; // takes connections and never says a word: nobody here needs one

static void write_word(const char *service, const char *word) {
    char name[64], text[64];
    snprintf(name, sizeof name, "%s/word.lua", service);
    snprintf(text, sizeof text, "return \"%s\"", word);
    scripts_write(name, text);
}

static void write_service(const char *service, int port, const char *start) {
    char name[64], text[1024];
    snprintf(name, sizeof name, "%s/service.lua", service);
    snprintf(text, sizeof text, SERVICE, service, port, start);
    scripts_write(name, text);
}

static void write_rule(const char *body) {
    char text[256];
    snprintf(text, sizeof text, "return { say = function() %s end }", body);
    scripts_write(".rules/a.lua", text); // no part of the scripts
}

// What a worker answers, up to the nth blank.
static const char *ask(int worker, int words) {
    static char answer[1024];
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)ports[worker])};
    static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    size_t len = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(write(fd, REQUEST, sizeof REQUEST - 1), sizeof REQUEST - 1);
    while ((got = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    answer[len] = 0;
    char *body = strstr(answer, "\r\n\r\n");
    if (!body || strncmp(answer, "HTTP/1.1 200", 12) != 0)
        fail_msg("%s", answer);
    body += 4;
    for (char *at_blank = strchr(body, ' '); at_blank; at_blank = strchr(at_blank + 1, ' '))
        if (--words == 0)
            *at_blank = 0;
    return body;
}

static void all_say(const char *words) {
    for (int i = 0; i < WORKERS; i++)
        assert_string_equal(ask(i, 2), words);
}

static void wait_for(bool (*come)(void), const char *what) {
    time_t until = time(NULL) + PATIENCE_S;
    while (!come()) {
        if (time(NULL) > until)
            fail_msg("%s: scripts %s, rules %s", what, told(REVISION_SCRIPTS).error,
                     told(REVISION_RULES).error);
        usleep(2000);
    }
}

static uint64_t scripts_loads, scripts_failures, rules_loads, rules_failures;

static void note_counts(void) {
    scripts_loads = told(REVISION_SCRIPTS).loads;
    scripts_failures = told(REVISION_SCRIPTS).failures;
    rules_loads = told(REVISION_RULES).loads;
    rules_failures = told(REVISION_RULES).failures;
}

static bool scripts_came(void) {
    return told(REVISION_SCRIPTS).loads > scripts_loads;
}

static bool scripts_failed(void) {
    return told(REVISION_SCRIPTS).failures > scripts_failures;
}

static bool rules_came(void) {
    return told(REVISION_RULES).loads > rules_loads;
}

static bool rules_failed(void) {
    return told(REVISION_RULES).failures > rules_failures;
}

static bool rules_returned(void) {
    return strcmp(told(REVISION_RULES).state, "returned") == 0;
}

static bool rolled_back(void) {
    struct err err;
    return !rollback_is_pending(&err);
}

// Life.

static void start_workers(void) {
    struct err err;
    for (int i = 0; i < WORKERS; i++) {
        const int service = SERVICE_OF[i];
        holders[i] = port_hold(&ports[i]);
        const struct worker_options options = {.config = config,
                                               .scripts = scripts,
                                               .rules = rules,
                                               .service = NAMES[service],
                                               .index = i % 2,
                                               .count = service == 0 ? 2 : 1,
                                               .max_connections = 100,
                                               .port = ports[i]};
        if (worker_start(&workers[i], &options, &err) != 0)
            fail_msg("%s", err.text);
    }
}

static void start_reload(void) {
    struct err err;
    const struct reload_options options = {.config = config,
                                           .rules = rules,
                                           .rules_refused = "",
                                           .scripts = scripts,
                                           .services = services,
                                           .service_count = SERVICES,
                                           .workers = workers,
                                           .service_of = SERVICE_OF,
                                           .worker_count = WORKERS};
    if (reload_start(&reload, &options, &err) != 0)
        fail_msg("%s", err.text);
}

static int setup(void **state) {
    (void)state;
    static char folder[64], rules_folder[80], url[64];
    int port;
    static const struct scripts_setting settings[] = {
        {"SCRIPTS_DIR", folder},     {"BIND_ADDRESS", "127.0.0.1"},
        {"RELOAD_LOOK_MS", "100"},   {"DRAIN_MS", "0"},
        {"DB_CONNECTIONS", "1"},     {"DATABASE_URL", url},
        {"RULES_DIR", rules_folder}, {NULL, NULL}};
    struct err err;
    scripts_open();
    strcpy(folder, scripts_folder);
    snprintf(rules_folder, sizeof rules_folder, "%s/.rules", folder);
    database = port_hold(&port);
    assert_int_equal(listen(database, 100), 0);
    snprintf(url, sizeof url, "postgresql://127.0.0.1:%d/none", port);
    scripts_make_folder(".rules");
    write_rule("return \"first\"");
    for (int i = 0; i < SERVICES; i++) {
        scripts_make_folder(NAMES[i]);
        write_word(NAMES[i], "old");
        write_service(NAMES[i], 8001 + i, "");
        strcpy(services[i].name, NAMES[i]);
    }
    config = scripts_config(settings);
    scripts = scripts_read();
    assert_int_equal(rules_bundle_read(&rules, rules_folder, &err), 0);
    revision_loaded(REVISION_SCRIPTS, bundle_revision(scripts), "loaded", NULL);
    revision_loaded(REVISION_RULES, rules_bundle_revision(rules), "loaded", NULL);
    note_counts();
    start_workers();
    start_reload();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    reload_stop(reload);
    for (int i = 0; i < WORKERS; i++)
        worker_drain(workers[i]);
    reload_join(reload);
    for (int i = 0; i < WORKERS; i++) {
        worker_join(workers[i]);
        close(holders[i]);
    }
    close(database);
    rollback_close();
    bundle_release(scripts);
    rules_bundle_unref(rules);
    config_free(config);
    return scripts_close();
}

// Scripts.

static void
changed_scripts_are_taken_by_every_worker_of_their_service_and_by_no_other(void **state) {
    (void)state;
    char before[256];
    snprintf(before, sizeof before, "%s", ask(2, 3));
    write_word("one", "new");
    wait_for(scripts_came, "scripts");
    assert_string_equal(ask(0, 1), "new");
    assert_string_equal(ask(1, 1), "new");
    assert_string_equal(ask(2, 3), before); // the same VM
}

static void scripts_that_do_not_load_change_nothing_but_what_is_said(void **state) {
    (void)state;
    scripts_write("one/word.lua", "\nreturn (");
    wait_for(scripts_failed, "a refusal");
    assert_string_equal(told(REVISION_SCRIPTS).state, "failed");
    assert_non_null(strstr(told(REVISION_SCRIPTS).error, "one/word.lua:2:"));
    all_say("old first");
    write_word("one", "old");
    write_word("two", "new");
    wait_for(scripts_came, "scripts");
    assert_string_equal(told(REVISION_SCRIPTS).state, "loaded");
    assert_string_equal(ask(2, 1), "new");
}

static void a_start_that_fails_in_one_worker_is_taken_back_in_all(void **state) {
    (void)state;
    write_word("one", "new");
    wait_for(scripts_came, "scripts");
    note_counts();
    write_service("one", 8001, "if worker.index == 1 then error(\"not here\") end word = \"bad\"");
    wait_for(scripts_failed, "a refusal");
    assert_non_null(strstr(told(REVISION_SCRIPTS).error, "not here"));
    assert_string_equal(ask(0, 1), "new");
    assert_string_equal(ask(1, 1), "new");
}

static void what_needs_a_restart_is_refused_with_its_name(void **state) {
    (void)state;
    write_word("one", "new");
    write_service("two", 9002, "");
    wait_for(scripts_failed, "a refusal");
    assert_non_null(strstr(told(REVISION_SCRIPTS).error, "changes port from 8002 to 9002"));
    assert_string_equal(ask(2, 1), "old");
}

static void what_was_refused_is_tried_again_only_when_asked(void **state) {
    (void)state;
    scripts_write("one/word.lua", "return (");
    wait_for(scripts_failed, "a refusal");
    note_counts();
    write_rule("return \"second\""); // a turn of the thread after which nothing has been tried
    wait_for(rules_came, "rules");
    assert_false(scripts_failed());
    reload_ask(reload);
    wait_for(scripts_failed, "another refusal");
}

static void where_a_worker_is_stopping_nothing_is_changed(void **state) {
    (void)state;
    worker_drain(workers[1]);
    time_t until = time(NULL) + PATIENCE_S;
    while (!worker_ended(workers[1]) && time(NULL) <= until)
        usleep(2000);
    assert_true(worker_ended(workers[1]));
    write_word("one", "new");
    wait_for(scripts_failed, "a refusal");
    assert_non_null(strstr(told(REVISION_SCRIPTS).error, "a worker is stopping"));
    assert_string_equal(ask(0, 1), "old");
    write_rule("return \"second\"");
    wait_for(rules_failed, "a refusal");
    assert_string_equal(ask(0, 2), "old first");
    assert_string_equal(ask(2, 2), "old first");
}

// Rules.

static void changed_rules_are_taken_by_all_and_no_script_is_loaded(void **state) {
    (void)state;
    char vm[256];
    snprintf(vm, sizeof vm, "%s", strstr(ask(0, 3), "table"));
    write_rule("return \"second\"");
    wait_for(rules_came, "rules");
    all_say("old second");
    assert_string_equal(strstr(ask(0, 3), "table"), vm);
    assert_false(scripts_came());
}

static void rules_that_do_not_load_change_nothing_but_what_is_said(void **state) {
    (void)state;
    scripts_write(".rules/a.lua", "\nreturn (");
    wait_for(rules_failed, "a refusal");
    assert_non_null(strstr(told(REVISION_RULES).error, "rules/a.lua:2:"));
    all_say("old first");
    write_rule("return \"first\"");
    write_rule("return \"second\"");
    wait_for(rules_came, "rules");
    all_say("old second");
}

static void fail_often(const char *body) {
    note_counts();
    write_rule(body);
    wait_for(rules_came, "rules");
    for (int i = 0; i < 30; i++)
        ask(i % WORKERS, 2);
}

static void rules_that_fail_are_taken_back_everywhere_and_not_taken_again(void **state) {
    (void)state;
    fail_often("error(\"on purpose\")");
    wait_for(rules_returned, "the rules before");
    all_say("old first");
    assert_string_equal(told(REVISION_RULES).revision, rules_bundle_revision(rules));
    assert_string_equal(told(REVISION_RULES).past[0].revision, told(REVISION_RULES).refused);
    assert_true(told(REVISION_RULES).past[0].taken_back);
    note_counts();
    write_word("two", "new"); // a turn of the thread after which they are as they were
    wait_for(scripts_came, "scripts");
    assert_string_equal(ask(0, 2), "old first");
    assert_false(rules_came());
}

static void what_was_taken_back_comes_when_somebody_asks(void **state) {
    (void)state;
    fail_often("error(\"on purpose\")");
    wait_for(rules_returned, "the rules before");
    note_counts();
    reload_ask(reload);
    wait_for(rules_came, "the rules of the folder");
    all_say("old ?");
    assert_false(told(REVISION_RULES).past[1].taken_back);
}

static void an_operator_goes_back_until_the_folder_changes(void **state) {
    (void)state;
    struct err err;
    char path[128];
    write_rule("return \"second\"");
    wait_for(rules_came, "rules");
    assert_int_equal(rollback_ask("", told(REVISION_RULES).revision, &err), 0);
    wait_for(rolled_back, "the rules before");
    all_say("old first");
    assert_string_equal(told(REVISION_RULES).state, "rolled back");
    assert_true(told(REVISION_RULES).past[0].taken_back);
    note_counts();
    snprintf(path, sizeof path, "%s/.rules/a.lua", scripts_folder);
    assert_int_equal(utime(path, NULL), 0); // seen, and the same
    write_word("two", "new");
    wait_for(scripts_came, "scripts");
    assert_string_equal(ask(0, 2), "old first");
    write_rule("return \"third\"");
    wait_for(rules_came, "rules");
    assert_string_equal(ask(0, 2), "old third");
}

static void it_stops_in_the_middle_of_changes(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        char word[16];
        snprintf(word, sizeof word, "w%d", i);
        write_word("one", word);
    } // and teardown stops it, whatever it does now
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(changed_scripts_are_taken_by_every_worker_of_their_service_and_by_no_other),
        T(scripts_that_do_not_load_change_nothing_but_what_is_said),
        T(a_start_that_fails_in_one_worker_is_taken_back_in_all),
        T(what_needs_a_restart_is_refused_with_its_name),
        T(what_was_refused_is_tried_again_only_when_asked),
        T(where_a_worker_is_stopping_nothing_is_changed),
        T(changed_rules_are_taken_by_all_and_no_script_is_loaded),
        T(rules_that_do_not_load_change_nothing_but_what_is_said),
        T(rules_that_fail_are_taken_back_everywhere_and_not_taken_again),
        T(what_was_taken_back_comes_when_somebody_asks),
        T(an_operator_goes_back_until_the_folder_changes),
        T(it_stops_in_the_middle_of_changes),
    };
    rules_set_cpu_factor(50); // nothing is timed
    return cmocka_run_group_tests(tests, revision_setup, revision_teardown);
}
