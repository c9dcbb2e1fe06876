#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics.h"

static const char *const NONE[] = {NULL};

static struct metric *declare(const char *name, enum metric_kind kind, const char *label) {
    static const double BUCKETS[] = {0.1, 1};
    const char *labels[] = {label};
    struct err err;
    return metrics_declare(name, kind, "Help.", labels, label ? 1 : 0, BUCKETS,
                           kind == METRIC_HISTOGRAM ? 2 : 0, &err);
}

static void assert_line(const char *service, const char *line, bool there) {
    struct buf text = {0};
    metrics_render(&text, service);
    struct buf needle = {0};
    buf_addf(&needle, "%s\n", line);
    if (!strstr(text.data, needle.data) == there)
        fail_msg("%s: %s\n%s", there ? "missing" : "unexpected", line, text.data);
    buf_free(&text);
    buf_free(&needle);
}

static void test_merges_the_shards_of_a_service(void **state) {
    (void)state;
    struct metric_shard *a = metrics_shard_new("one"), *b = metrics_shard_new("one"),
                        *c = metrics_shard_new("two");
    struct metric *count = declare("t_count_total", METRIC_COUNTER, "kind"),
                  *level = declare("t_level", METRIC_GAUGE, NULL);
    const char *x[] = {"x"}, *odd[] = {"a\"b\\c\nd"};
    metrics_add(metrics_cell(a, count, x), 2);
    metrics_add(metrics_cell(b, count, x), 3);
    metrics_add(metrics_cell(c, count, x), 10);
    metrics_add(metrics_cell(a, count, odd), 1);
    metrics_set(metrics_cell(a, level, NONE), 1.5);
    metrics_set(metrics_cell(b, level, NONE), 2);
    assert_ptr_equal(metrics_cell(a, count, x), metrics_cell(a, count, x));
    assert_line("one", "t_count_total{service=\"one\",kind=\"x\"} 5", true);
    assert_line("one", "t_count_total{service=\"two\",kind=\"x\"} 10", false);
    assert_line("two", "t_count_total{service=\"two\",kind=\"x\"} 10", true);
    assert_line("one", "t_count_total{service=\"one\",kind=\"a\\\"b\\\\c\\nd\"} 1", true);
    assert_line("one", "t_level{service=\"one\"} 3.5", true);
    assert_line("one", "# TYPE t_count_total counter", true);
    metrics_shard_free(b);
    assert_line("one", "t_count_total{service=\"one\",kind=\"x\"} 2", true);
    metrics_shard_free(a);
    metrics_shard_free(c);
}

static void test_histograms_are_cumulative(void **state) {
    (void)state;
    struct metric_shard *shard = metrics_shard_new("h");
    struct metric *metric = declare("t_seconds", METRIC_HISTOGRAM, NULL);
    struct metric_cell *cell = metrics_cell(shard, metric, NONE);
    metrics_observe(cell, 0.05);
    metrics_observe(cell, 0.1);
    metrics_observe(cell, 0.5);
    metrics_observe(cell, 7);
    assert_line("h", "t_seconds_bucket{service=\"h\",le=\"0.1\"} 2", true);
    assert_line("h", "t_seconds_bucket{service=\"h\",le=\"1\"} 3", true);
    assert_line("h", "t_seconds_bucket{service=\"h\",le=\"+Inf\"} 4", true);
    assert_line("h", "t_seconds_sum{service=\"h\"} 7.6500000000000004", true);
    assert_line("h", "t_seconds_count{service=\"h\"} 4", true);
    metrics_shard_free(shard);
}

static void test_refuses_bad_declarations(void **state) {
    (void)state;
    assert_null(declare("9x", METRIC_GAUGE, NULL));
    assert_null(declare("no spaces", METRIC_GAUGE, NULL));
    assert_null(declare("t_requests", METRIC_COUNTER, NULL));
    assert_null(declare("t_a", METRIC_GAUGE, "le"));
    assert_null(declare("t_a", METRIC_GAUGE, "service"));
    assert_null(declare("t_a", METRIC_GAUGE, "__x"));
    static const char *const TWICE[] = {"a", "b", "a"};
    static const double BUCKETS[][2] = {{1, 1}, {2, 1}, {1, INFINITY}, {NAN, 1}};
    struct err err;
    assert_null(metrics_declare("t_a", METRIC_GAUGE, "", TWICE, 3, NULL, 0, &err));
    for (size_t i = 0; i < sizeof BUCKETS / sizeof *BUCKETS; i++)
        assert_null(metrics_declare("t_a", METRIC_HISTOGRAM, "", NULL, 0, BUCKETS[i], 2, &err));
    assert_null(metrics_declare("t_a", METRIC_HISTOGRAM, "", NULL, 0, NULL, 0, &err));
    struct metric *metric = declare("t_same", METRIC_GAUGE, "a");
    assert_non_null(metric);
    assert_ptr_equal(declare("t_same", METRIC_GAUGE, "a"), metric);
    assert_null(declare("t_same", METRIC_GAUGE, "b"));
    assert_null(declare("t_same", METRIC_HISTOGRAM, "a"));
}

static void test_too_many_series_become_other(void **state) {
    (void)state;
    struct metric_shard *shard = metrics_shard_new("many");
    struct metric *metric = declare("t_many_total", METRIC_COUNTER, "id");
    for (int i = 0; i < 1500; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        const char *values[] = {id};
        metrics_add(metrics_cell(shard, metric, values), 1);
    }
    assert_line("many", "t_many_total{service=\"many\",id=\"999\"} 1", true);
    assert_line("many", "t_many_total{service=\"many\",id=\"1000\"} 1", false);
    assert_line("many", "t_many_total{service=\"many\",id=\"other\"} 500", true);
    metrics_shard_free(shard);
}

static void test_a_shard_without_a_service_stays_apart(void **state) {
    (void)state;
    struct metric_shard *with = metrics_shard_new("s"), *without = metrics_shard_new(NULL);
    struct err err;
    struct metric *metric =
        metrics_declare("t_apart", METRIC_GAUGE, "one\ntwo \\ \"three\"", NULL, 0, NULL, 0, &err);
    assert_non_null(metric);
    metrics_set(metrics_cell(with, metric, NONE), 1);
    metrics_set(metrics_cell(without, metric, NONE), 2);
    assert_line("s", "t_apart{service=\"s\"} 1", true);
    assert_line("s", "t_apart 2", true);
    assert_line("other", "t_apart 2", true);
    assert_line("other", "t_apart{service=\"s\"} 1", false);
    assert_line("s", "# HELP t_apart one\\ntwo \\\\ \"three\"", true);
    metrics_shard_free(with);
    metrics_shard_free(without);
}

static double value_of(const char *name) {
    struct buf text = {0}, start = {0};
    metrics_render(&text, NULL);
    buf_addf(&start, "\n%s ", name);
    char *line = strstr(text.data, start.data);
    assert_non_null(line);
    double value = strtod(line + start.len, NULL);
    buf_free(&text);
    buf_free(&start);
    return value;
}

static void test_tells_of_the_process(void **state) {
    (void)state;
    double files = value_of("process_open_fds"), now = (double)time(NULL);
    int more = dup(STDOUT_FILENO);
    assert_true(value_of("process_open_fds") == files + 1);
    close(more);
    assert_true(value_of("process_max_fds") > files);
    assert_true(value_of("process_resident_memory_bytes") > 1e6);
    assert_true(value_of("process_cpu_seconds_total") > 0);
    double start = value_of("process_start_time_seconds");
    assert_true(start > now - 600 && start < now + 1);

    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    double unknown = value_of("process_open_fds"),
           memory = value_of("process_resident_memory_bytes");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(isnan(unknown) && isnan(memory));
}

static void *count_up(void *user) {
    struct metric_shard *shard = user;
    struct metric *metric = declare("t_race_total", METRIC_COUNTER, "id");
    for (int i = 0; i < 20000; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i % 500);
        const char *values[] = {id};
        metrics_add(metrics_cell(shard, metric, values), 1);
    }
    return NULL;
}

static void test_can_be_scraped_while_it_counts(void **state) {
    (void)state;
    struct metric_shard *shard = metrics_shard_new("race");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_up, shard), 0);
    for (int i = 0; i < 50; i++) {
        struct buf text = {0};
        metrics_render(&text, "race");
        buf_free(&text);
    }
    pthread_join(thread, NULL);
    assert_line("race", "t_race_total{service=\"race\",id=\"499\"} 40", true);
    metrics_shard_free(shard);
}

// Prometheus' own linter, where it is installed, has nothing to say.
static void test_is_clean_for_promtool(void **state) {
    (void)state;
    if (system("command -v promtool >/dev/null") != 0)
        skip();
    struct metric_shard *shard = metrics_shard_new("clean");
    struct metric *metric = declare("t_clean_seconds", METRIC_HISTOGRAM, "route");
    const char *values[] = {"/a"};
    metrics_observe(metrics_cell(shard, metric, values), 1);
    struct buf text = {0};
    metrics_render(&text, "clean");
    FILE *promtool = popen("promtool check metrics", "w");
    fwrite(text.data, 1, text.len, promtool);
    assert_int_equal(pclose(promtool), 0);
    buf_free(&text);
    metrics_shard_free(shard);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_clean_for_promtool),
        cmocka_unit_test(test_merges_the_shards_of_a_service),
        cmocka_unit_test(test_histograms_are_cumulative),
        cmocka_unit_test(test_refuses_bad_declarations),
        cmocka_unit_test(test_too_many_series_become_other),
        cmocka_unit_test(test_a_shard_without_a_service_stays_apart),
        cmocka_unit_test(test_tells_of_the_process),
        cmocka_unit_test(test_can_be_scraped_while_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
