// Answers that go on: what is written waits in a buffer until libmicrohttpd asks for it.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"

enum {
    STREAM_BUFFER = 256 * 1024,
    SEND_BUFFER = 128 * 1024, // the kernel would grow its own to 4 MB for a slow reader
};

static void release_stream(struct http_stream *stream) {
    if (--stream->holders > 0)
        return;
    buf_free(&stream->buffer);
    free(stream);
}

static void on_stream_freed(void *user) {
    struct http_stream *stream = user;
    *(stream->prev ? &stream->prev->next : &stream->server->streams) = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    stream->server->stream_count--;
    stream->mhd = NULL;
    release_stream(stream);
}

static ssize_t on_stream_read(void *user, uint64_t position, char *out, size_t max) {
    (void)position;
    struct http_stream *stream = user;
    size_t left = stream->buffer.len - stream->sent;
    if (stream->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (left == 0 && stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->mhd);
        return 0;
    }
    size_t count = left < max ? left : max;
    memcpy(out, stream->buffer.data + stream->sent, count);
    stream->sent += count;
    if (stream->sent == stream->buffer.len) {
        buf_clear(&stream->buffer);
        stream->sent = 0;
    }
    return (ssize_t)count;
}

struct http_stream *http_reply_stream(struct http_exchange *exchange, int status,
                                      const struct http_header *headers, size_t header_count) {
    struct http_stream *stream = xcalloc(1, sizeof *stream);
    stream->server = exchange->server;
    stream->mhd = exchange->mhd;
    stream->holders = 2;
    if (stream->mhd) {
        int size = SEND_BUFFER;
        stream->fd =
            MHD_get_connection_info(stream->mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    stream->next = stream->server->streams;
    if (stream->next)
        stream->next->prev = stream;
    stream->server->streams = stream;
    stream->server->stream_count++;
    exchange->stream = exchange->mhd ? stream : NULL;
    struct MHD_Response *response = xtaken(MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 4096, on_stream_read, stream, on_stream_freed));
    http_add_headers(response, headers, header_count);
    http_give(exchange, status, response);
    return stream;
}

static void wake(struct http_stream *stream) {
    if (!stream->suspended || !stream->mhd)
        return;
    stream->suspended = false;
    stream->server->resumed = true;
    MHD_resume_connection(stream->mhd);
}

static bool is_open(const struct http_stream *stream) {
    return stream->mhd && !stream->cut && !stream->ended;
}

bool http_stream_write(struct http_stream *stream, const char *bytes, size_t len) {
    if (!is_open(stream))
        return false;
    if (stream->buffer.len - stream->sent + len > STREAM_BUFFER) {
        stream->cut = true;
        wake(stream);
        return false;
    }
    if (stream->sent > 0) {
        memmove(stream->buffer.data, stream->buffer.data + stream->sent,
                stream->buffer.len - stream->sent);
        stream->buffer.len -= stream->sent;
        stream->sent = 0;
    }
    buf_add(&stream->buffer, bytes, len);
    wake(stream);
    return true;
}

// libmicrohttpd does not look at a suspended connection, so a client that left is seen here.
static bool client_left(int fd) {
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

bool http_stream_alive(struct http_stream *stream) {
    if (is_open(stream) && client_left(stream->fd)) {
        stream->cut = true;
        wake(stream);
    }
    return is_open(stream);
}

void http_stream_close(struct http_stream *stream) {
    stream->ended = true;
    wake(stream);
    release_stream(stream);
}

void http_server_end_streams(struct http_server *server) {
    for (struct http_stream *stream = server->streams; stream; stream = stream->next) {
        stream->ended = true;
        wake(stream);
    }
}

size_t http_server_streams(const struct http_server *server) {
    return server->stream_count;
}
