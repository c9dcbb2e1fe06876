// Answers made before any script is asked.
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"
#include "log.h"

static const char *sentence(int status) {
    switch (status) {
    case 413:
        return "The body is too large";
    case 503:
        return "Too many connections";
    default:
        return "Bad request";
    }
}

static void add_problem(struct buf *text, int status, const char *detail) {
    buf_addf(text, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
             MHD_get_reason_phrase_for((unsigned)status), status);
    if (!detail)
        detail = sentence(status);
    buf_add_json(text, detail, strlen(detail));
    buf_addc(text, '}');
}

static void tell_refused(const struct http_exchange *exchange, int status) {
    const struct http_server_options *options = &exchange->server->options;
    if (options->on_refused)
        options->on_refused(options->user, status);
}

enum MHD_Result http_refuse(struct http_exchange *exchange, int status, const char *detail) {
    tell_refused(exchange, status);
    struct buf text = {0};
    add_problem(&text, status, detail);
    struct MHD_Response *response =
        xtaken(MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_FREE));
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    struct http_header headers[HTTP_MAX_GRANT];
    http_add_headers(response, headers, http_grant(exchange, headers));
    MHD_add_response_header(response, "Connection", "close");
    if (status == 503)
        MHD_add_response_header(response, "Retry-After", "1");
    enum MHD_Result result = MHD_queue_response(exchange->mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

// Once a body is being read libmicrohttpd takes no answer any more, so this one goes out by hand;
// nothing else has been sent for this request, and the connection ends with it.
enum MHD_Result http_refuse_in_body(struct http_exchange *exchange, int status,
                                    const char *detail) {
    tell_refused(exchange, status);
    struct buf text = {0}, head = {0};
    add_problem(&text, status, detail);
    buf_addf(&head,
             "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
             "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\nConnection: close\r\n%s",
             status, MHD_get_reason_phrase_for((unsigned)status), text.len,
             status == 503 ? "Retry-After: 1\r\n" : "");
    struct http_header headers[HTTP_MAX_GRANT];
    size_t count = http_grant(exchange, headers);
    for (size_t i = 0; i < count; i++)
        buf_addf(&head, "%s: %s\r\n", headers[i].name, headers[i].value);
    buf_addf(&head, "\r\n%s", text.data);
    int fd = MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (send(fd, head.data, head.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_event(LOG_DEBUG, "refusal not sent", NULL);
    shutdown(fd, SHUT_WR);
    buf_free(&text);
    buf_free(&head);
    return MHD_NO;
}
