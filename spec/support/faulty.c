// Preloaded into the program by specs (faulty.py): the n-th allocation fails; reads and writes are
// interrupted, short, or for later. What it shall do is in a page that it shares with the spec.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS = 4096, EARLY_BYTES = 1048576, SMALL_BUFFER = 4608 };

enum { ANY, CURL, GSSAPI, CRYPTO, LUAJIT, UNWINDER, CJSON, LIBRARIES };
static const char *const LIBRARY[] = {
    [CURL] = "/libcurl", [GSSAPI] = "/libgssapi", [CRYPTO] = "/libcrypto", [LUAJIT] = "/libluajit", [UNWINDER] = "/libgcc_s"};
static const char CJSON_FUNCTION[] = "strbuf_"; // linked into the program

struct control { // the spec writes and reads it as int64
    _Atomic int64_t allocations; // since the spec set it to 0
    _Atomic int64_t fail_at;     // which of them fails; 0: none; -1: all
    _Atomic int64_t only;        // a library, whose own allocations alone are counted and fail
    _Atomic int64_t failed;      // how many have
    _Atomic int64_t one_in;      // so many reads and writes go wrong; 0: none
    _Atomic int64_t interrupted, later, shortened; // how many did
    _Atomic int64_t accepted;    // connections whose buffers were made small
    _Atomic int64_t made[LIBRARIES]; // allocations by a library itself
};

static struct control nothing, *control = &nothing;
static _Atomic char connected[DESCRIPTORS];
static char early[EARLY_BYTES]; // what is taken before the real functions can be looked for
static int ready;               // sanitizers have started: before, even dlsym is theirs and not there yet
static _Atomic size_t early_used;
static _Thread_local int busy; // inside of this file: what it calls itself goes right
static _Thread_local uint32_t dice = 2463534242u;

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) { \
        busy++; \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
        busy--; \
    }

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("FAULTY_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        abort();
    busy++;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    busy--;
    close(fd);
    if (page == MAP_FAILED)
        abort();
    control = page;
    ready = 1; // a sanitizer has started with the calls above, if not before
}

// Memory.

static int library_of(const void *caller) {
    Dl_info info = {0};
    int library = ANY;
    busy++;
    if (dladdr(caller, &info) && info.dli_fname)
        for (int i = ANY + 1; i < CJSON; i++)
            library = strstr(info.dli_fname, LIBRARY[i]) ? i : library;
    if (info.dli_sname && strncmp(info.dli_sname, CJSON_FUNCTION, sizeof CJSON_FUNCTION - 1) == 0)
        library = CJSON;
    busy--;
    return library;
}

static int fails(const void *caller) {
    if (busy)
        return 0;
    int library = library_of(caller);
    atomic_fetch_add(&control->made[library], 1);
    int64_t only = atomic_load(&control->only), fail_at = atomic_load(&control->fail_at);
    if (only != ANY && only != library)
        return 0;
    int64_t number = atomic_fetch_add(&control->allocations, 1) + 1;
    if (number != fail_at && fail_at != -1)
        return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return 1;
}

static void *take_early(size_t size) {
    size_t at = atomic_fetch_add(&early_used, (size + 15) & ~(size_t)15);
    if (at + size > EARLY_BYTES)
        abort();
    return early + at;
}

static int is_early(const void *memory) {
    return (const char *)memory >= early && (const char *)memory < early + EARLY_BYTES;
}

void *malloc(size_t size) {
    if (busy || !ready)
        return take_early(size);
    NEXT(malloc)
    return fails(__builtin_return_address(0)) ? NULL : next(size);
}

void *calloc(size_t count, size_t size) {
    if (busy || !ready)
        return take_early(count * size);
    NEXT(calloc)
    return fails(__builtin_return_address(0)) ? NULL : next(count, size);
}

void *realloc(void *old, size_t size) {
    if (is_early(old) || !ready) {
        void *moved = malloc(size);
        size_t left = old ? (size_t)(early + EARLY_BYTES - (char *)old) : 0;
        return moved && old ? memcpy(moved, old, size < left ? size : left) : moved;
    }
    NEXT(realloc)
    return size > 0 && fails(__builtin_return_address(0)) ? NULL : next(old, size);
}

void free(void *memory) {
    if (is_early(memory) || !memory)
        return;
    NEXT(free)
    next(memory);
}

// LuaJIT has an allocator of its own, and asks for pages by the name that programs with large files use.
#define MAP_PAGES(name) \
    void *name(void *at, size_t size, int protection, int flags, int fd, off_t offset) { \
        NEXT(name) \
        if ((flags & MAP_ANONYMOUS) && fails(__builtin_return_address(0))) \
            return MAP_FAILED; \
        return next(at, size, protection, flags, fd, offset); \
    }

MAP_PAGES(mmap)
MAP_PAGES(mmap64)

// Reads and writes.

static uint32_t roll(uint32_t sides) {
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    return dice % sides;
}

static int goes_wrong(void) {
    int64_t one_in = atomic_load(&control->one_in);
    return one_in > 0 && !busy && roll((uint32_t)one_in) == 0;
}

static int is_connected(int fd) {
    return fd >= 0 && fd < DESCRIPTORS && atomic_load(&connected[fd]);
}

static int is_interrupted(void) {
    if (!goes_wrong())
        return 0;
    atomic_fetch_add(&control->interrupted, 1);
    errno = EINTR;
    return 1;
}

// Sockets that the program has connected: it must look at them again by itself, since nothing new
// arrives after a made-up EAGAIN. Those that it has accepted get small buffers instead, because
// libmicrohttpd hears of changes alone.
static int is_later(int fd) {
    if (!is_connected(fd) || !goes_wrong())
        return 0;
    atomic_fetch_add(&control->later, 1);
    errno = EAGAIN;
    return 1;
}

static size_t shorten(int fd, size_t len) {
    if (len < 2 || !(is_connected(fd) || fd == STDERR_FILENO) || !goes_wrong())
        return len;
    atomic_fetch_add(&control->shortened, 1);
    return 1 + roll((uint32_t)(len > 64 ? 64 : len - 1));
}

#define TRANSFER(name, bytes, ...) \
    NEXT(name) \
    if (is_interrupted() || is_later(fd)) \
        return -1; \
    bytes = shorten(fd, bytes); \
    return next(__VA_ARGS__);

ssize_t read(int fd, void *bytes, size_t len) {
    TRANSFER(read, len, fd, bytes, len)
}

ssize_t write(int fd, const void *bytes, size_t len) {
    TRANSFER(write, len, fd, bytes, len)
}

ssize_t recv(int fd, void *bytes, size_t len, int flags) {
    TRANSFER(recv, len, fd, bytes, len, flags)
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    TRANSFER(send, len, fd, bytes, len, flags)
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    NEXT(sendmsg)
    return is_interrupted() || is_later(fd) ? -1 : next(fd, message, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(writev)
    return is_interrupted() || is_later(fd) ? -1 : next(fd, parts, count);
}

int poll(struct pollfd *list, nfds_t count, int timeout) {
    NEXT(poll)
    return is_interrupted() ? -1 : next(list, count, timeout);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
    NEXT(epoll_wait)
    return is_interrupted() ? -1 : next(fd, events, count, timeout);
}

int connect(int fd, const struct sockaddr *address, socklen_t len) {
    NEXT(connect)
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&connected[fd], 1);
    return next(fd, address, len);
}

int close(int fd) {
    NEXT(close)
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&connected[fd], 0);
    return next(fd);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    NEXT(accept4)
    if (is_interrupted())
        return -1;
    int made = next(fd, address, len, flags);
    if (made >= 0 && atomic_load(&control->one_in) > 0) {
        int size = SMALL_BUFFER;
        setsockopt(made, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        atomic_fetch_add(&control->accepted, 1);
    }
    return made;
}
