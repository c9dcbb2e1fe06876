// bus.c: all who joined hear what is published, in order, from any thread; who falls behind is
// told.
#include <pthread.h>
#include <string.h>

#include "bus.h"
#include "test.h"

struct heard {
    int count, lost;
    int last;
    int out_of_order;
};

static void on_message(void *user, const char *text, size_t len) {
    struct heard *heard = user;
    if (!text) {
        heard->lost++;
        return;
    }
    int number = 0;
    memcpy(&number, text, len < sizeof number ? len : sizeof number);
    heard->out_of_order += number != heard->last + 1;
    heard->last = number;
    heard->count++;
}

static void publish_number(const char *name, int number) {
    bus_publish(name, (const char *)&number, sizeof number);
}

static void run(uv_loop_t *loop) {
    for (int i = 0; i < 3; i++)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void reaches_all_of_its_name_in_order(void **state) {
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct heard a = {0}, b = {0}, other = {0};
    struct bus_member *first = bus_join(&loop, "chat", on_message, &a);
    struct bus_member *second = bus_join(&loop, "chat", on_message, &b);
    struct bus_member *third = bus_join(&loop, "audit", on_message, &other);
    for (int i = 1; i <= 100; i++)
        publish_number("chat", i);
    run(&loop);
    assert_int_equal(a.count, 100);
    assert_int_equal(b.count, 100);
    assert_int_equal(a.out_of_order + b.out_of_order, 0);
    assert_int_equal(other.count, 0);
    bus_leave(first);
    publish_number("chat", 101);
    run(&loop);
    assert_int_equal(a.count, 100);
    assert_int_equal(b.count, 101);
    bus_leave(second);
    bus_leave(third);
    run(&loop);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void *publish_many(void *user) {
    (void)user;
    for (int i = 1; i <= 10000; i++)
        publish_number("busy", i);
    return NULL;
}

static void is_safe_from_another_thread(void **state) {
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct heard heard = {0};
    struct bus_member *member = bus_join(&loop, "busy", on_message, &heard);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, publish_many, NULL), 0);
    while (heard.count < 5000)
        run(&loop);
    pthread_join(thread, NULL);
    run(&loop);
    assert_int_equal(heard.count, 10000);
    assert_int_equal(heard.out_of_order, 0);
    bus_leave(member);
    run(&loop);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void says_when_something_was_lost(void **state) {
    (void)state;
    static char large[1024 * 1024];
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct heard heard = {0};
    struct bus_member *member = bus_join(&loop, "slow", on_message, &heard);
    for (int i = 0; i < 12; i++)
        bus_publish("slow", large, sizeof large);
    run(&loop);
    assert_int_equal(heard.lost, 1);
    assert_in_range(heard.count, 1, 8);
    bus_leave(member);
    bus_publish("slow", large, 1);
    run(&loop);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_all_of_its_name_in_order),
        cmocka_unit_test(is_safe_from_another_thread),
        cmocka_unit_test(says_when_something_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
