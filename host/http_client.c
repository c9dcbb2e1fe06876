#include "http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "public_address.h"

enum {
    CONNECT_MS = 2000,
    TOTAL_MS = 5000,
    MAX_REPLY = 1024 * 1024,
    MAX_UNREAD = 64 * 1024,
    MAX_HEADERS = 64,
};

struct http_call {
    struct http_call *prev, *next;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    size_t body_len, body_sent; // of a mail
    struct curl_slist *recipients;
    size_t max_reply, received; // bytes of the reply's body
    bool public_only, refused, too_large;
    void (*on_part)(void *user, const struct http_call_reply *reply); // NULL: all at the end
    size_t max_unread;
    bool paused;   // curl keeps bytes back until some are taken
    bool has_news; // in the client's list, through next_news
    struct http_call *next_news;
    http_call_done done;
    void *user;
    char error[CURL_ERROR_SIZE];
    struct http_call_reply reply;
};

struct http_client {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t *timer;
    uv_prepare_t *endings; // runs while a cancelled call waits for its callback
    struct http_client_limits limits;
    struct http_call *calls;
    struct http_call *cancelled;
    struct http_call *news; // whose on_part is to be called once curl is out of the way
    size_t in_flight;
};

// One socket that curl wants watched.
struct watch {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

// With memory of its own libcurl 7.88 goes on after a failed allocation with an entry of a socket
// that it has taken apart, and divides by its zero slots.
static void init_curl(void) {
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, free, xrealloc, xstrdup, xcalloc) != 0)
        out_of_memory();
}

// The address is known here for certain: whatever name led to it, it is what will be connected to.
static curl_socket_t on_open_socket(void *user, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
    (void)purpose;
    struct http_call *call = user;
    if (call->public_only && !public_address_is(&address->addr)) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// By the thread that opened it; libcurl may close it after its call has ended.
static int on_close_socket(void *user, curl_socket_t socket) {
    (void)user;
    return close(socket);
}

// Replies.

static void note_news(struct http_call *call) {
    if (!call->on_part || call->has_news)
        return;
    call->has_news = true;
    call->next_news = call->client->news;
    call->client->news = call;
}

static void forget_news(struct http_call *call) {
    struct http_call **place = &call->client->news;
    while (*place && *place != call)
        place = &(*place)->next_news;
    if (*place)
        *place = call->next_news;
    call->has_news = false;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    struct http_call *call = user;
    size_t len = size * count;
    if (call->received + len > call->max_reply) {
        call->too_large = true;
        return 0;
    }
    if (call->on_part && call->reply.body.len >= call->max_unread) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE; // the same bytes come again
    }
    call->received += len;
    buf_add(&call->reply.body, bytes, len);
    note_news(call);
    return len;
}

static void free_headers(struct http_call_reply *reply) {
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    free(reply->headers);
    reply->headers = NULL;
    reply->header_count = 0;
}

static long status_of(struct http_call *call) {
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *user) {
    struct http_call *call = user;
    struct http_call_reply *reply = &call->reply;
    size_t len = size * count;
    bool at_end = len > 0 && (bytes[0] == '\r' || bytes[0] == '\n');
    if (at_end && status_of(call) >= 200) {
        reply->status = (int)status_of(call);
        note_news(call);
        return len;
    }
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        free_headers(reply); // an interim reply went before
        return len;
    }
    const char *colon = memchr(bytes, ':', len);
    if (!colon || reply->header_count == MAX_HEADERS)
        return len;
    if (!reply->headers)
        reply->headers = xcalloc(MAX_HEADERS, sizeof *reply->headers);
    const char *value = colon + 1, *end = bytes + len;
    while (value < end && isspace((unsigned char)*value))
        value++;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;
    char *name = xstrndup(bytes, (size_t)(colon - bytes));
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count++].value = xstrndup(value, (size_t)(end - value));
    return len;
}

static void unlink_call(struct http_call *call) {
    *(call->prev ? &call->prev->next : &call->client->calls) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->client->in_flight--;
    forget_news(call);
}

// Takes the call apart and tells its owner.
static void finish(struct http_call *call, enum http_call_outcome outcome, const char *error) {
    call->reply.outcome = outcome;
    call->reply.error = outcome == HTTP_CALL_OK ? NULL : error;
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->recipients);
    call->done(call->user, &call->reply);
    free_headers(&call->reply);
    buf_free(&call->reply.body);
    free(call->body);
    free(call);
}

static void on_ended(struct http_call *call, CURLcode code) {
    call->reply.status = (int)status_of(call);
    curl_multi_remove_handle(call->client->multi, call->easy);
    unlink_call(call);
    const char *error = call->error[0] ? call->error : curl_easy_strerror(code);
    if (code == CURLE_OK)
        finish(call, HTTP_CALL_OK, NULL);
    else if (call->too_large)
        finish(call, HTTP_CALL_TOO_LARGE, "the reply is larger than the limit");
    else if (call->refused)
        finish(call, HTTP_CALL_UNREACHABLE, "the address is not public");
    else if (code == CURLE_OPERATION_TIMEDOUT)
        finish(call, HTTP_CALL_TIMEOUT, error);
    else
        finish(call, HTTP_CALL_UNREACHABLE, error);
}

// curl may not be called from inside its callbacks, and who is told may do just that.
static void tell_news(struct http_client *client) {
    while (client->news) {
        struct http_call *call = client->news;
        forget_news(call);
        call->on_part(call->user, &call->reply);
    }
}

static void read_endings(struct http_client *client) {
    tell_news(client);
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct http_call *call;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        on_ended(call, code);
    }
}

// The loop.

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct watch *watch = poll->data;
    struct http_client *client = watch->client;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(client->multi, watch->fd, flags, &running);
    read_endings(client);
}

static void on_watch_closed(uv_handle_t *handle) {
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) {
    (void)easy;
    struct http_client *client = user;
    struct watch *watch = socket_user;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            curl_multi_assign(client->multi, fd, NULL);
        }
        return 0;
    }
    if (!watch) {
        watch = xcalloc(1, sizeof *watch);
        watch->client = client;
        watch->fd = fd;
        watch->poll.data = watch;
        if (uv_poll_init_socket(client->loop, &watch->poll, fd) != 0) {
            free(watch);
            return -1;
        }
        curl_multi_assign(client->multi, fd, watch);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_ready);
}

static void on_timer(uv_timer_t *timer) {
    struct http_client *client = timer->data;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_endings(client);
}

static int on_timeout(CURLM *multi, long ms, void *user) {
    (void)multi;
    struct http_client *client = user;
    if (ms < 0)
        uv_timer_stop(client->timer);
    else
        uv_timer_start(client->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void end_cancelled(struct http_client *client) {
    while (client->cancelled) {
        struct http_call *call = client->cancelled;
        client->cancelled = call->next;
        finish(call, HTTP_CALL_CANCELLED, "cancelled");
    }
}

static void on_endings(uv_prepare_t *prepare) {
    struct http_client *client = prepare->data;
    uv_prepare_stop(prepare);
    end_cancelled(client);
}

// The client.

int http_client_new(struct http_client **out, uv_loop_t *loop,
                    const struct http_client_limits *limits, struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct http_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->limits = *limits;
    client->multi = curl_multi_init();
    if (!client->multi) {
        free(client);
        return err_set(err, "curl did not start");
    }
    client->timer = xcalloc(1, sizeof *client->timer);
    client->endings = xcalloc(1, sizeof *client->endings);
    uv_timer_init(loop, client->timer);
    uv_prepare_init(loop, client->endings);
    client->timer->data = client->endings->data = client;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits->max_connections);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, limits->max_per_host);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, limits->max_connections);
    *out = client;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

void http_client_free(struct http_client *client) {
    end_cancelled(client);
    while (client->calls) {
        struct http_call *call = client->calls;
        curl_multi_remove_handle(client->multi, call->easy);
        unlink_call(call);
        finish(call, HTTP_CALL_CANCELLED, "the client is closing");
    }
    curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)client->timer, on_closed);
    uv_close((uv_handle_t *)client->endings, on_closed);
    free(client);
}

static bool begins_with(const char *url, const char *scheme) {
    return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static int check_mail(const struct http_call_request *request, struct err *err) {
    if (!begins_with(request->url, "smtp://") && !begins_with(request->url, "smtps://"))
        return err_set(err, "a mail is sent to an smtp or smtps address");
    if (request->mail_to_count == 0)
        return err_set(err, "a mail needs a recipient");
    for (size_t i = 0; i <= request->mail_to_count; i++) {
        const char *address = i == 0 ? request->mail_from : request->mail_to[i - 1];
        if (!*address || strlen(address) > 320 || strpbrk(address, "\r\n<> "))
            return err_set(err, "\"%.60s\" is not a mail address", address);
    }
    return 0;
}

static int check_request(const struct http_call_request *request, struct err *err) {
    if (request->mail_from && check_mail(request, err) != 0)
        return -1;
    if (!request->mail_from && !begins_with(request->url, "http://") &&
        !begins_with(request->url, "https://"))
        return err_set(err, "only http and https addresses can be called");
    for (const char *c = request->url; *c; c++)
        if (!isgraph((unsigned char)*c))
            return err_set(err, "the address holds a character that is not allowed");
    for (const char *c = request->method; *c; c++)
        if (!isupper((unsigned char)*c))
            return err_set(err, "the method must be capital letters");
    for (size_t i = 0; i < request->header_count; i++)
        if (strpbrk(request->headers[i].name, ":\r\n ") ||
            strpbrk(request->headers[i].value, "\r\n"))
            return err_set(err, "the header %.60s is not valid", request->headers[i].name);
    return 0;
}

static void set_headers(struct http_call *call, const struct http_call_request *request) {
    call->headers = xtaken(curl_slist_append(NULL, "Expect:"));
    struct buf line = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        buf_clear(&line);
        // curl takes "Name;" for a header without a value.
        buf_addf(&line, *request->headers[i].value ? "%s: %s" : "%s;", request->headers[i].name,
                 request->headers[i].value);
        call->headers = xtaken(curl_slist_append(call->headers, line.data));
    }
    buf_free(&line);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static size_t on_mail_read(char *out, size_t size, size_t count, void *user) {
    struct http_call *call = user;
    size_t left = call->body_len - call->body_sent;
    size_t len = left < size * count ? left : size * count;
    memcpy(out, call->body + call->body_sent, len);
    call->body_sent += len;
    return len;
}

static void set_mail(struct http_call *call, const struct http_call_request *request) {
    struct buf address = {0};
    buf_addf(&address, "<%s>", request->mail_from);
    curl_easy_setopt(call->easy, CURLOPT_MAIL_FROM, address.data);
    for (size_t i = 0; i < request->mail_to_count; i++) {
        buf_clear(&address);
        buf_addf(&address, "<%s>", request->mail_to[i]);
        call->recipients = xtaken(curl_slist_append(call->recipients, address.data));
    }
    buf_free(&address);
    curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(call->easy, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
    curl_easy_setopt(call->easy, CURLOPT_MAIL_RCPT, call->recipients);
    curl_easy_setopt(call->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_mail_read);
    curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
    if (request->user)
        curl_easy_setopt(call->easy, CURLOPT_USERNAME, request->user);
    if (request->password)
        curl_easy_setopt(call->easy, CURLOPT_PASSWORD, request->password);
}

static bool set_options(struct http_call *call, const struct http_call_request *request) {
    CURL *easy = call->easy;
    long connect_ms = request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_MS;
    long total_ms = request->timeout_ms > 0 ? request->timeout_ms : TOTAL_MS;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "todo-host/" TODO_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, total_ms);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    if (call->public_only) // a connection opened for somebody else must not be used
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (request->mail_from) {
        set_mail(call, request);
    } else if (call->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (!request->mail_from)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

int http_client_start(struct http_client *client, const struct http_call_request *request,
                      http_call_done done, void *user, struct http_call **out, struct err *err) {
    if (check_request(request, err) != 0)
        return -1;
    if (client->in_flight >= client->limits.max_in_flight)
        return err_set(err, "too many calls are in flight");
    struct http_call *call = xcalloc(1, sizeof *call);
    call->client = client;
    call->done = done;
    call->user = user;
    call->max_reply = request->max_reply ? request->max_reply : MAX_REPLY;
    call->public_only = request->public_only;
    call->on_part = request->on_part;
    call->max_unread = request->max_unread ? request->max_unread : MAX_UNREAD;
    call->body = request->body ? xstrndup(request->body, request->body_len) : NULL;
    call->body_len = request->body ? request->body_len : 0;
    call->easy = curl_easy_init();
    if (!call->easy || !set_options(call, request)) {
        curl_easy_cleanup(call->easy);
        curl_slist_free_all(call->recipients);
        free(call->body);
        free(call);
        return err_set(err, "curl refused the call");
    }
    if (!request->mail_from)
        set_headers(call, request);
    call->next = client->calls;
    if (call->next)
        call->next->prev = call;
    client->calls = call;
    client->in_flight++;
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK)
        out_of_memory(); // a call that is not taken would never end
    *out = call;
    return 0;
}

void http_client_cancel(struct http_call *call) {
    struct http_client *client = call->client;
    curl_multi_remove_handle(client->multi, call->easy);
    unlink_call(call);
    call->next = client->cancelled;
    client->cancelled = call;
    uv_prepare_start(client->endings, on_endings);
}

void http_client_take(struct http_call *call, struct buf *out) {
    *out = call->reply.body;
    call->reply.body = (struct buf){0};
    if (call->paused) {
        call->paused = false;
        curl_easy_pause(call->easy, CURLPAUSE_CONT);
    }
}
