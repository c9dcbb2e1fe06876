#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_client.h"

enum { PATIENCE_MS = 60000 }; // of what is to end by something else

// A server of one thread per connection that answers by the path asked for.
static int listener;
static int port;
static atomic_int accepted;

static void send_text(int fd, const char *text) {
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return; // the client may have left: that is what some tests are about
}

static void *serve(void *user) {
    int fd = (int)(intptr_t)user;
    char buffer[4096];
    ssize_t got;
    while ((got = recv(fd, buffer, sizeof buffer - 1, 0)) > 0) {
        buffer[got] = 0;
        if (strstr(buffer, " /ok"))
            send_text(fd, "HTTP/1.1 201 Created\r\nX-Odd:  a b \r\nContent-Length: 5\r\n\r\nhello");
        else if (strstr(buffer, " /echo"))
            send_text(fd, strstr(buffer, "X-Mine: yes") && strstr(buffer, "\r\n\r\nbody") &&
                                  !strstr(buffer, "Expect:")
                              ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                              : "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        else if (strstr(buffer, " /chunked"))
            send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                          "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        else if (strstr(buffer, " /moved"))
            send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
        else if (strstr(buffer, " /large"))
            for (int i = 0; i < 200; i++)
                send_text(fd, i == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
                                     : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                       "xxxxxxxxxxxxxxxxxxxxx");
        else if (strstr(buffer, " /flood"))
            for (int i = 0; i < 4001; i++)
                send_text(fd, i == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n"
                                     : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        else if (strstr(buffer, " /parts"))
            send_text(fd, "HTTP/1.1 200 OK\r\nX-Odd: b\r\nContent-Length: 10\r\n\r\nfirst");
        else if (strstr(buffer, " /broken")) {
            send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            break;
        } else if (strstr(buffer, " /reset"))
            break;
        // " /slow" and all else: no answer
    }
    close(fd);
    return NULL;
}

static void *accept_all(void *user) {
    (void)user;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        atomic_fetch_add(&accepted, 1);
        pthread_t thread;
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
        pthread_detach(thread);
    }
    return NULL;
}

static int start_server(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 64) != 0)
        return -1;
    getsockname(listener, (struct sockaddr *)&address, &len);
    port = ntohs(address.sin_port);
    pthread_t thread;
    pthread_create(&thread, NULL, accept_all, NULL);
    return pthread_detach(thread);
}

struct outcome {
    int calls;
    enum http_call_outcome outcome;
    int status;
    char body[64];
    char odd[64];
};

static void on_done(void *user, const struct http_call_reply *reply) {
    struct outcome *outcome = user;
    outcome->calls++;
    outcome->outcome = reply->outcome;
    outcome->status = reply->status;
    snprintf(outcome->body, sizeof outcome->body, "%.60s",
             reply->body.data ? reply->body.data : "");
    for (size_t i = 0; i < reply->header_count; i++)
        if (strcmp(reply->headers[i].name, "x-odd") == 0)
            snprintf(outcome->odd, sizeof outcome->odd, "%s", reply->headers[i].value);
    assert_true((reply->error == NULL) == (reply->outcome == HTTP_CALL_OK));
}

static uv_loop_t loop;
static struct http_client *client;

static int setup(void **state) {
    (void)state;
    struct err err;
    struct http_client_limits limits = {8, 4, 3};
    uv_loop_init(&loop);
    return http_client_new(&client, &loop, &limits, &err);
}

static int teardown(void **state) {
    (void)state;
    http_client_free(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static struct http_call_request request_for(char url[64], const char *path) {
    snprintf(url, 64, "http://127.0.0.1:%d%s", port, path);
    return (struct http_call_request){
        .method = "GET", .url = url, .connect_timeout_ms = PATIENCE_MS, .timeout_ms = PATIENCE_MS};
}

static struct outcome run(struct http_call_request request) {
    struct outcome outcome = {0};
    struct http_call *call;
    struct err err;
    if (http_client_start(client, &request, on_done, &outcome, &call, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(outcome.calls, 0); // never from inside start
    while (outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    return outcome;
}

static void test_a_plain_call(void **state) {
    (void)state;
    char url[64];
    struct outcome outcome = run(request_for(url, "/ok"));
    assert_int_equal(outcome.outcome, HTTP_CALL_OK);
    assert_int_equal(outcome.status, 201);
    assert_string_equal(outcome.body, "hello");
    assert_string_equal(outcome.odd, "a b");
    assert_string_equal(run(request_for(url, "/chunked")).body, "abcde");
}

static void test_method_headers_and_body_arrive(void **state) {
    (void)state;
    char url[64];
    struct http_call_request request = request_for(url, "/echo");
    struct http_call_header header = {"X-Mine", "yes"};
    request.method = "POST";
    request.headers = &header;
    request.header_count = 1;
    request.body = "body";
    request.body_len = 4;
    assert_int_equal(run(request).status, 200);
}

static void test_connections_are_kept(void **state) {
    (void)state;
    char url[64];
    run(request_for(url, "/ok"));
    int before = atomic_load(&accepted);
    for (int i = 0; i < 5; i++)
        assert_int_equal(run(request_for(url, "/ok")).status, 201);
    assert_int_equal(atomic_load(&accepted), before);
}

static void test_redirects_are_not_followed(void **state) {
    (void)state;
    char url[64];
    assert_int_equal(run(request_for(url, "/moved")).status, 302);
}

static void test_failures_have_names(void **state) {
    (void)state;
    char url[64];
    struct http_call_request request = request_for(url, "/slow");
    request.timeout_ms = 60;
    assert_int_equal(run(request).outcome, HTTP_CALL_TIMEOUT);
    request = request_for(url, "/large");
    request.max_reply = 1000;
    assert_int_equal(run(request).outcome, HTTP_CALL_TOO_LARGE);
    assert_int_equal(run(request_for(url, "/reset")).outcome, HTTP_CALL_UNREACHABLE);
    request.url = "http://127.0.0.1:1/";
    assert_int_equal(run(request).outcome, HTTP_CALL_UNREACHABLE);
    // Too long a label: no name server is asked, which might not answer.
    request.url =
        "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid/";
    assert_int_equal(run(request).outcome, HTTP_CALL_UNREACHABLE);
}

static void assert_refused(struct http_call_request request) {
    struct http_call *call;
    struct err err;
    assert_int_equal(http_client_start(client, &request, on_done, NULL, &call, &err), -1);
    assert_true(strlen(err.text) > 0);
}

static void test_refuses_at_once(void **state) {
    (void)state;
    static const char *const URLS[] = {
        "file:///etc/passwd", "ftp://x/",         "gopher://x/", "x", "",
        "http://a b/",        "http://a/\r\nX: y"};
    for (size_t i = 0; i < sizeof URLS / sizeof *URLS; i++)
        assert_refused((struct http_call_request){.method = "GET", .url = URLS[i]});
    assert_refused((struct http_call_request){.method = "G T", .url = "http://a/"});
    struct http_call_header bad = {"X", "a\r\nY: b"};
    assert_refused((struct http_call_request){
        .method = "GET", .url = "http://a/", .headers = &bad, .header_count = 1});
}

static void test_public_only_never_reaches_inside(void **state) {
    (void)state;
    static const char *const HOSTS[] = {
        "127.0.0.1",      "[::1]",      "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254",
        "10.0.0.1",       "172.16.0.1", "192.168.1.1",        "100.64.0.1",      "0.0.0.0",
        "2130706433",     "0x7f000001", "0177.0.0.1",         "localhost",       "[::]",
        "[fe80::1]",      "[fc00::1]",  "[64:ff9b::7f00:1]",  "[2002:7f00:1::]", "224.0.0.1",
        "255.255.255.255"};
    int before = atomic_load(&accepted);
    for (size_t i = 0; i < sizeof HOSTS / sizeof *HOSTS; i++) {
        char url[80];
        snprintf(url, sizeof url, "http://%s:%d/ok", HOSTS[i], port);
        struct http_call_request request = {.method = "GET",
                                            .url = url,
                                            .connect_timeout_ms = PATIENCE_MS,
                                            .timeout_ms = PATIENCE_MS,
                                            .public_only = 1};
        if (run(request).outcome != HTTP_CALL_UNREACHABLE)
            fail_msg("reached %s", HOSTS[i]);
    }
    assert_int_equal(atomic_load(&accepted), before);
}

static void test_limits_what_is_in_flight_and_cancels(void **state) {
    (void)state;
    char url[64];
    struct http_call_request request = request_for(url, "/slow");
    struct outcome outcomes[3] = {0};
    struct http_call *calls[3], *fourth;
    struct err err;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            http_client_start(client, &request, on_done, &outcomes[i], &calls[i], &err), 0);
    assert_int_equal(http_client_start(client, &request, on_done, NULL, &fourth, &err), -1);
    http_client_cancel(calls[1]);
    assert_int_equal(outcomes[1].calls, 0);
    while (outcomes[1].calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(outcomes[1].outcome, HTTP_CALL_CANCELLED);
    assert_int_equal(run(request_for(url, "/ok")).status, 201);
    http_client_free(client); // the others hear of it
    assert_int_equal(outcomes[0].outcome, HTTP_CALL_CANCELLED);
    assert_int_equal(outcomes[2].calls, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    setup(NULL);
}

// A reply read in parts.
struct reader {
    struct outcome outcome; // first: on_done takes it
    struct http_call *call;
    size_t take_from; // bytes that have to be there
    size_t taken, most;
    int parts, heads;
    bool cancels;
    char text[64];
};

static void on_part(void *user, const struct http_call_reply *reply) {
    struct reader *reader = user;
    assert_int_equal(reader->outcome.calls, 0);
    reader->heads += reader->parts++ == 0 && reply->status == 200 && reply->header_count > 0;
    if (reader->most < reply->body.len)
        reader->most = reply->body.len;
    if (reply->body.len < reader->take_from)
        return;
    struct buf part;
    http_client_take(reader->call, &part);
    reader->taken += part.len;
    snprintf(reader->text, sizeof reader->text, "%s", part.data ? part.data : "");
    buf_free(&part);
    if (reader->cancels)
        http_client_cancel(reader->call);
    reader->cancels = false;
}

static void read_parts(struct reader *reader, struct http_call_request request) {
    struct err err;
    request.on_part = on_part;
    if (http_client_start(client, &request, on_done, reader, &reader->call, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_a_reply_is_read_as_it_comes(void **state) {
    (void)state;
    char url[64];
    struct reader reader = {.take_from = 1, .cancels = true};
    read_parts(&reader, request_for(url, "/parts")); // the server never sends the second half
    while (reader.outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(reader.heads, 1);
    assert_string_equal(reader.text, "first");
    assert_int_equal(reader.outcome.outcome, HTTP_CALL_CANCELLED);
}

static void test_what_is_not_taken_holds_the_peer_back(void **state) {
    (void)state;
    char url[64];
    struct http_call_request request = request_for(url, "/flood");
    struct reader reader = {.take_from = 1000};
    request.max_unread = 1000;
    request.timeout_ms = 60000;
    read_parts(&reader, request);
    while (reader.outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(reader.outcome.outcome, HTTP_CALL_OK);
    assert_true(reader.taken > 400000 - 1000);
    assert_true(reader.most < 1000 + 16 * 1024); // a part of curl's has 16 KiB at most
}

static void test_a_reply_in_parts_fails_as_others_do(void **state) {
    (void)state;
    char url[64];
    struct reader broken = {.take_from = 1}, large = {.take_from = 1}, slow = {.take_from = 1};
    struct http_call_request request = request_for(url, "/broken");
    read_parts(&broken, request);
    while (broken.outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(broken.outcome.outcome, HTTP_CALL_UNREACHABLE);
    assert_int_equal(broken.taken, 5);
    request = request_for(url, "/large");
    request.max_reply = 2000;
    read_parts(&large, request);
    while (large.outcome.calls == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(large.outcome.outcome, HTTP_CALL_TOO_LARGE);
    // Long enough for the first half to come before: on a machine that stands still, longer.
    request = request_for(url, "/parts");
    for (request.timeout_ms = 100; slow.taken == 0 && request.timeout_ms <= PATIENCE_MS;
         request.timeout_ms *= 4) {
        slow = (struct reader){.take_from = 1};
        read_parts(&slow, request);
        while (slow.outcome.calls == 0)
            uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(slow.outcome.outcome, HTTP_CALL_TIMEOUT);
    }
    assert_int_equal(slow.taken, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_plain_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_method_headers_and_body_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirects_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_have_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public_only_never_reaches_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_what_is_in_flight_and_cancels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_is_read_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_taken_holds_the_peer_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_in_parts_fails_as_others_do, setup, teardown),
    };
    return cmocka_run_group_tests(tests, start_server, NULL);
}
