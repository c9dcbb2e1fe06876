#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t parse_address(const char *text, int port, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    return 0;
}

int listen_open(const char *address, int port, bool shared, struct err *err) {
    struct sockaddr_storage storage;
    socklen_t len = parse_address(address, port, &storage);
    if (len == 0)
        return err_set(err, "%s is not an IP address", address);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, "cannot make a socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&storage, len) == 0 && listen(fd, 4096) == 0)
        return fd;
    int why = errno;
    close(fd);
    return err_set(err, "cannot listen on %s port %d: %s", address, port, strerror(why));
}

bool listen_is_free(const char *address, int port, struct err *err) {
    int fd = listen_open(address, port, false, err);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}
