#include "port_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http_server.h"

enum { MOST = 4, WAIT_MS = 60000 };

static uv_loop_t loop;
static struct http_server *server;
static int port, holder;
static struct http_exchange *held; // the request of /held
static char answer[4096];

static void on_request(void *user, struct http_exchange *exchange,
                       const struct http_request *request) {
    (void)user;
    if (strcmp(request->path, "/held") == 0)
        held = exchange;
    else if (strcmp(request->path, "/late") == 0)
        http_reply_later(exchange, 503, NULL, 0, "late", 4);
    else
        http_reply(exchange, 200, NULL, 0, "soon", 4);
}

static int start(void **state) {
    (void)state;
    struct err err;
    held = NULL;
    holder = port_hold(&port);
    uv_loop_init(&loop);
    const struct http_server_options options = {
        .address = "127.0.0.1",
        .port = port,
        .body_limit = 1000,
        .max_connections = MOST,
        .on_request = on_request,
    };
    return http_server_start(&server, &loop, &options, &err);
}

static int stop(void **state) {
    (void)state;
    http_server_stop(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    close(holder);
    return uv_loop_close(&loop);
}

static int connect_to(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask(int fd, const char *path) {
    char text[128];
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    assert_int_equal(write(fd, text, (size_t)len), len);
}

static bool is_over(uint64_t from) {
    return uv_hrtime() / 1000000 - from > WAIT_MS;
}

// Runs the loop until something came; how much.
static ssize_t receive(int fd) {
    uint64_t from = uv_hrtime() / 1000000;
    ssize_t got = -1;
    while (got < 0 && !is_over(from)) {
        uv_run(&loop, UV_RUN_NOWAIT);
        got = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    }
    answer[got > 0 ? got : 0] = 0;
    return got;
}

static void run_until_connections(size_t count) {
    uint64_t from = uv_hrtime() / 1000000;
    while (http_server_connections(server) != count && !is_over(from))
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(http_server_connections(server), count);
}

static void run_until_held(void) {
    uint64_t from = uv_hrtime() / 1000000;
    while (!held && !is_over(from))
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_non_null(held);
}

static void hold_crowd(int fds[MOST], struct http_exchange *all[MOST]) {
    for (int i = 0; i < MOST; i++) {
        held = NULL;
        fds[i] = connect_to();
        ask(fds[i], "/held");
        run_until_held();
        all[i] = held;
    }
}

static void answer_crowd(const int fds[MOST], struct http_exchange *const all[MOST]) {
    for (int i = 0; i < MOST; i++) {
        http_reply(all[i], 200, NULL, 0, "done", 4);
        assert_true(receive(fds[i]) > 0);
        close(fds[i]);
    }
}

static void a_request_that_has_come_is_answered_in_a_crowd(void **state) {
    (void)state;
    int fds[MOST], last = -1;
    struct http_exchange *all[MOST];
    hold_crowd(fds, all);
    last = connect_to();
    run_until_connections(MOST + 1);
    ask(last, "/soon"); // the loop is busy with something else meanwhile
    uv_sleep(50);
    bool refused = receive(last) > 0 && strstr(answer, "503");
    answer_crowd(fds, all);
    close(last);
    assert_true(refused);
}

// Two connect while the loop is busy with something else.
static int both[2], something_else;
static uint64_t connected_at;

static void on_something_else(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    char byte;
    assert_int_equal(read(something_else, &byte, 1), 1);
    uv_poll_stop(poll);
    uv_sleep(100);
    both[1] = connect_to();
    connected_at = uv_hrtime();
}

static bool is_closed(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void a_connection_is_as_old_as_it_is_and_not_as_the_turn_that_accepts_it(void **state) {
    (void)state;
    int fds[MOST], ends[2];
    struct http_exchange *all[MOST];
    hold_crowd(fds, all);
    uv_poll_t poll;
    assert_int_equal(pipe(ends), 0);
    something_else = ends[0];
    uv_poll_init(&loop, &poll, something_else);
    uint64_t from = uv_hrtime() / 1000000;
    bool seen = false, closed = false;
    while (!seen && !is_over(from)) {
        uv_poll_start(&poll, UV_READABLE, on_something_else);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(write(ends[1], "x", 1), 1); // comes before what connects
        both[0] = connect_to();
        uv_run(&loop, UV_RUN_NOWAIT);
        bool accepted = http_server_connections(server) == MOST + 2;
        uv_run(&loop, UV_RUN_NOWAIT);                             // looks for idle ones
        seen = accepted && uv_hrtime() - connected_at < 15000000; // else it was stopped meanwhile
        closed = is_closed(both[0]) || is_closed(both[1]);
        close(both[0]);
        close(both[1]);
        run_until_connections(MOST);
    }
    uv_close((uv_handle_t *)&poll, NULL);
    answer_crowd(fds, all);
    close(ends[0]);
    close(ends[1]);
    assert_true(seen && !closed);
}

static void a_late_answer_keeps_the_connection(void **state) {
    (void)state;
    int fd = connect_to();
    ask(fd, "/late");
    assert_true(receive(fd) > 0);
    assert_non_null(strstr(answer, "503"));
    assert_null(strstr(answer, "close"));
    ask(fd, "/soon");
    assert_true(receive(fd) > 0);
    assert_non_null(strstr(answer, "200"));
    close(fd);
}

static void a_late_answer_closes_what_has_begun_to_drain_meanwhile(void **state) {
    (void)state;
    int fd = connect_to();
    ask(fd, "/late");
    run_until_connections(1);
    uint64_t from = uv_hrtime() / 1000000;
    while (http_server_exchanges(server) != 1 && !is_over(from))
        uv_run(&loop, UV_RUN_NOWAIT);
    http_server_drain(server);
    assert_true(receive(fd) > 0);
    assert_non_null(strstr(answer, "Connection: close"));
    close(fd);
}

static void who_leaves_before_a_late_answer_is_forgotten(void **state) {
    (void)state;
    int first = connect_to(), second = connect_to();
    ask(first, "/late");
    ask(second, "/late");
    uint64_t from = uv_hrtime() / 1000000;
    while (http_server_exchanges(server) != 2 && !is_over(from))
        uv_run(&loop, UV_RUN_NOWAIT);
    close(first);
    assert_true(receive(second) > 0);
    close(second);
    run_until_connections(0);
    assert_int_equal(http_server_exchanges(server), 0);
    assert_int_equal(http_server_busy(server), 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_request_that_has_come_is_answered_in_a_crowd),
        T(a_connection_is_as_old_as_it_is_and_not_as_the_turn_that_accepts_it),
        T(a_late_answer_keeps_the_connection),
        T(a_late_answer_closes_what_has_begun_to_drain_meanwhile),
        T(who_leaves_before_a_late_answer_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
