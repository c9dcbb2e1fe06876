#include "secrets.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "buf.h"
#include "http_client.h"
#include "json.h"
#include "log.h"

enum { WAIT_MS = 30000, POLL_MS = 200, PROGRESS_MS = 5000, CALL_MS = 5000 };
enum { MAX_SECRETS = 64, MAX_REPLY = 8 * 1024 * 1024, SHOWN = 160 };

struct secrets {
    struct secret {
        char *name, *value;
    } list[MAX_SECRETS];
    size_t count;
};

const char *secrets_find(const void *user, const char *name) {
    const struct secrets *secrets = user;
    for (size_t i = 0; i < secrets->count; i++)
        if (strcmp(secrets->list[i].name, name) == 0)
            return secrets->list[i].value;
    return NULL;
}

void secrets_free(struct secrets *secrets) {
    for (size_t i = 0; i < secrets->count; i++) {
        explicit_bzero(secrets->list[i].value, strlen(secrets->list[i].value));
        free(secrets->list[i].value);
        free(secrets->list[i].name);
    }
    free(secrets);
}

// What the sidecar answers: {"NAME": "value"}, in bulk {"SECRET": {"KEY": "value"}}, where a
// setting is the secret NAME with the key NAME; and {"message": "…"} when it refuses.

struct reader {
    struct secrets *secrets;
    bool bulk;
    int depth;
    char *path[2]; // the keys that lead to the value being read
    char *message;
};

static void set_key(struct reader *reader, const char *text, size_t len) {
    if (reader->depth > 2)
        return;
    for (int i = reader->depth - 1; i < 2; i++) {
        free(reader->path[i]);
        reader->path[i] = NULL;
    }
    reader->path[reader->depth - 1] = xstrndup(text, len);
}

static void on_key(void *user, const char *text, size_t len) {
    set_key(user, text, len);
}

static void on_begin(void *user) {
    ((struct reader *)user)->depth++;
}

static void on_end(void *user, size_t count) {
    (void)count;
    ((struct reader *)user)->depth--;
}

static void on_string(void *user, const char *text, size_t len) {
    struct reader *reader = user;
    const char *name = reader->path[0];
    if (reader->depth != (reader->bulk ? 2 : 1) || !name)
        return;
    if (reader->bulk && (!reader->path[1] || strcmp(name, reader->path[1]) != 0))
        return;
    struct secrets *secrets = reader->secrets;
    if (!secrets) {
        if (strcmp(name, "message") == 0 && !reader->message)
            reader->message = xstrndup(text, len < SHOWN ? len : SHOWN);
        return;
    }
    if (!config_may_be_stored(name) || len == 0 || secrets->count == MAX_SECRETS)
        return;
    secrets->list[secrets->count++] = (struct secret){xstrdup(name), xstrndup(text, len)};
}

static void skip(void *user) {
    (void)user;
}

static void skip_boolean(void *user, bool value) {
    (void)user;
    (void)value;
}

static void skip_number(void *user, double value) {
    (void)user;
    (void)value;
}

static int read_answer(struct reader *reader, const struct buf *body, struct err *err) {
    static const struct json_handler HANDLER = {.on_null = skip,
                                                .on_boolean = skip_boolean,
                                                .on_number = skip_number,
                                                .on_string = on_string,
                                                .on_key = on_key,
                                                .on_object_begin = on_begin,
                                                .on_object_end = on_end,
                                                .on_array_begin = on_begin,
                                                .on_array_end = on_end};
    int status = json_parse(body->data ? body->data : "", body->len, &HANDLER, reader, err);
    free(reader->path[0]);
    free(reader->path[1]);
    reader->path[0] = reader->path[1] = NULL;
    return status;
}

// Calls, one at a time, each of which blocks.

struct caller {
    uv_loop_t loop;
    struct http_client *client;
    struct buf base; // the sidecar's URL, without a slash at its end
    const char *token;
    bool done;
    int status; // of the last reply; 0: none
    struct buf body;
    struct err why; // when there was none
};

static void on_reply(void *user, const struct http_call_reply *reply) {
    struct caller *caller = user;
    caller->done = true;
    caller->status = reply->outcome == HTTP_CALL_OK ? reply->status : 0;
    if (reply->outcome != HTTP_CALL_OK)
        err_set(&caller->why, "%s", reply->error ? reply->error : "no answer");
    buf_add(&caller->body, reply->body.data ? reply->body.data : "", reply->body.len);
}

static void forget_body(struct caller *caller) {
    if (caller->body.data)
        explicit_bzero(caller->body.data, caller->body.cap);
    buf_clear(&caller->body);
}

static void get(struct caller *caller, const char *path) {
    struct buf url = {0};
    buf_addf(&url, "%s%s", caller->base.data, path);
    struct http_call_header header = {"dapr-api-token", caller->token};
    struct http_call_request request = {.method = "GET",
                                        .url = url.data,
                                        .headers = &header,
                                        .header_count = caller->token ? 1 : 0,
                                        .timeout_ms = CALL_MS,
                                        .max_reply = MAX_REPLY};
    forget_body(caller);
    caller->done = false;
    caller->status = 0;
    struct http_call *call;
    if (http_client_start(caller->client, &request, on_reply, caller, &call, &caller->why) == 0)
        while (!caller->done)
            uv_run(&caller->loop, UV_RUN_ONCE);
    buf_free(&url);
}

static void set_base(struct caller *caller, const struct config *config) {
    const char *endpoint = config_string(config, "DAPR_HTTP_ENDPOINT");
    const char *port = config_string(config, "DAPR_HTTP_PORT");
    if (endpoint)
        buf_adds(&caller->base, endpoint);
    else
        buf_addf(&caller->base, "http://127.0.0.1:%s", port ? port : "3500");
    while (caller->base.len > 0 && caller->base.data[caller->base.len - 1] == '/')
        caller->base.data[--caller->base.len] = 0;
}

static int open_caller(struct caller *caller, const struct config *config, struct err *err) {
    const struct http_client_limits limits = {
        .max_connections = 1, .max_per_host = 1, .max_in_flight = 1};
    uv_loop_init(&caller->loop);
    set_base(caller, config);
    caller->token = config_string(config, "DAPR_API_TOKEN");
    return http_client_new(&caller->client, &caller->loop, &limits, err);
}

static void close_caller(struct caller *caller) {
    if (caller->client)
        http_client_free(caller->client);
    uv_run(&caller->loop, UV_RUN_DEFAULT);
    uv_loop_close(&caller->loop);
    forget_body(caller);
    buf_free(&caller->body);
    buf_free(&caller->base);
}

static void sleep_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

// Not /healthz: that one waits for the app's own port, which waits for this.
static int wait_for_sidecar(struct caller *caller, struct err *err) {
    uint64_t began = uv_hrtime() / 1000000, told = 0;
    for (;;) {
        get(caller, "/v1.0/healthz/outbound");
        if (caller->status >= 200 && caller->status < 300)
            return 0;
        char why[128];
        if (caller->status)
            snprintf(why, sizeof why, "it answers %d", caller->status);
        else
            snprintf(why, sizeof why, "%.100s", caller->why.text);
        uint64_t waited = uv_hrtime() / 1000000 - began;
        if (waited >= WAIT_MS)
            return err_set(err, "the sidecar at %.100s is not ready after %d s: %s",
                           caller->base.data, WAIT_MS / 1000, why);
        if (told == 0 || waited >= told + PROGRESS_MS) {
            log_event(LOG_INFO, "waiting for the sidecar, which has settings", "url",
                      caller->base.data, "error", why, NULL);
            told = waited + 1;
        }
        sleep_ms(POLL_MS);
    }
}

static void add_encoded(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (isalnum((unsigned char)text[i]) || strchr("-_.~", text[i]))
            buf_addc(out, text[i]);
        else
            buf_addf(out, "%%%02X", (unsigned char)text[i]);
}

// Refusals are shown on one line, whatever is in them.
static int refused(struct caller *caller, struct err *err) {
    struct reader reader = {0};
    struct err ignored;
    if (read_answer(&reader, &caller->body, &ignored) != 0)
        err_set(&ignored, "no message");
    for (char *c = reader.message; c && *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
    err_set(err, "the sidecar answers %d: %s", caller->status,
            reader.message ? reader.message : "(it does not say why)");
    free(reader.message);
    return -1;
}

static int read_store(struct caller *caller, const char *setting, struct secrets *secrets,
                      struct err *err) {
    const char *slash = strchr(setting, '/');
    struct buf path = {0};
    buf_adds(&path, "/v1.0/secrets/");
    add_encoded(&path, setting, slash ? (size_t)(slash - setting) : strlen(setting));
    buf_addc(&path, '/');
    if (slash)
        add_encoded(&path, slash + 1, strlen(slash + 1));
    else
        buf_adds(&path, "bulk");
    get(caller, path.data);
    buf_free(&path);
    if (!caller->status)
        return err_set(err, "the sidecar does not answer: %.200s", caller->why.text);
    if (caller->status != 200)
        return refused(caller, err);
    struct reader reader = {.secrets = secrets, .bulk = !slash};
    struct err why;
    if (read_answer(&reader, &caller->body, &why) == 0)
        return 0;
    return err_set(err, "the sidecar's answer is not JSON");
}

// By name, never by value.
static void tell(const struct secrets *secrets, const char *setting) {
    struct buf names = {0};
    for (size_t i = 0; i < secrets->count; i++)
        buf_addf(&names, "%s%s", i > 0 ? " " : "", secrets->list[i].name);
    log_event(LOG_INFO, "settings were read from the secret store", "store", setting, "settings",
              names.data ? names.data : "", NULL);
    buf_free(&names);
}

int secrets_fetch(struct secrets **out, const struct config *config, struct err *err) {
    const char *setting = config_string(config, "SECRET_STORE");
    size_t store = strcspn(setting, "/");
    if (store == 0 || (setting[store] && !setting[store + 1]))
        return err_set(err, "SECRET_STORE must be STORE or STORE/SECRET");
    struct secrets *secrets = xcalloc(1, sizeof *secrets);
    struct caller caller = {0};
    struct err why;
    int status = open_caller(&caller, config, &why);
    if (status == 0)
        status = wait_for_sidecar(&caller, &why);
    if (status == 0)
        status = read_store(&caller, setting, secrets, &why);
    close_caller(&caller);
    if (status != 0) {
        secrets_free(secrets);
        return err_set(err, "SECRET_STORE %.100s: %.380s", setting, why.text);
    }
    tell(secrets, setting);
    *out = secrets;
    return 0;
}
