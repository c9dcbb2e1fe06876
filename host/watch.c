#include "watch.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

// What was moved into its place is whole, and rarely comes alone; ..data brings all at once.
enum { QUIET_MS = 20, QUIET_MOVED_MS = 5, LATEST_MS = 200, MAX_FOLDERS = 4096, MAX_DEPTH = 16 };
static const unsigned ALL = 0xff;
enum { ASKED = 1, STOPPED = 2, WOKEN = 4 };

static const uint32_t EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                               IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

struct ears {
    int inotify;          // -1: not to be had
    unsigned char *below; // by number of a watch: bits of the folders that it is in; 0: it is of
                          // what holds one
    int below_count;
};

struct watch {
    char **folders;
    int folder_count;
    int look_ms;
    int max_folders;
    struct ears ears;
    int wake; // an eventfd
    atomic_int wanted;
    int watched;
    bool live, told;
    unsigned heard; // folders, not yet told
    unsigned where; // as last told
    int quiet_ms;   // for what was heard last
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void go_blind(struct watch *watch, const char *why) {
    watch->live = false;
    if (!watch->told)
        log_event(LOG_WARN, "changes of files are not heard at once, only looked for", "error", why,
                  NULL);
    watch->told = true;
}

// The watches of one inotify are numbered in their order; one that is there keeps its number.
static void note_below(struct watch *watch, int wd, unsigned folders) {
    for (; wd >= watch->ears.below_count; watch->ears.below_count++) {
        if ((watch->ears.below_count & (watch->ears.below_count + 1)) == 0) // grows by doubling
            watch->ears.below =
                xrealloc(watch->ears.below, 2 * ((size_t)watch->ears.below_count + 1));
        watch->ears.below[watch->ears.below_count] = 0;
    }
    watch->ears.below[wd] |= (unsigned char)folders;
}

static bool add_one(struct watch *watch, const char *path, unsigned folders) {
    if (watch->watched >= watch->max_folders) {
        go_blind(watch, "too many folders");
        return false;
    }
    watch->watched++;
    int wd = inotify_add_watch(watch->ears.inotify, path, EVENTS | IN_ONLYDIR);
    if (wd >= 0) {
        note_below(watch, wd, folders);
        return true;
    }
    if (errno != ENOENT && errno != ENOTDIR)
        go_blind(watch, strerror(errno));
    return false;
}

static void add_below(struct watch *watch, const char *path, unsigned folders, int depth) {
    if (depth > MAX_DEPTH || !add_one(watch, path, folders))
        return;
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; watch->live && (entry = readdir(folder));) {
        struct stat at;
        if (entry->d_name[0] == '.' || entry->d_type == DT_REG)
            continue;
        struct buf below = {0};
        buf_addf(&below, "%s/%s", path, entry->d_name);
        if (stat(below.data, &at) == 0 && S_ISDIR(at.st_mode))
            add_below(watch, below.data, folders, depth + 1);
        buf_free(&below);
    }
    closedir(folder);
}

// The folder that holds it: there one sees that it was replaced.
static void add_above(struct watch *watch, const char *path) {
    char *above = xstrdup(path);
    char *slash = strrchr(above, '/');
    if (slash == above)
        slash[1] = 0;
    else if (slash)
        *slash = 0;
    add_one(watch, slash ? above : ".", 0);
    free(above);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// In which folders something has happened. Beside a folder others may be busy; in a ConfigMap's all
// is behind ..data.
static unsigned find_folders(const struct watch *watch, const struct ears *ears,
                             const struct inotify_event *event) {
    if (event->len && strncmp(event->name, "..", 2) == 0 && strcmp(event->name, "..data") != 0)
        return 0;
    if (event->wd < 0 || event->wd >= ears->below_count) // events were lost
        return ALL;
    unsigned folders = ears->below[event->wd];
    if (event->len == 0)
        return folders ? folders : ALL;
    for (int i = 0; i < watch->folder_count; i++)
        if (strcmp(event->name, name_of(watch->folders[i])) == 0)
            folders |= 1u << i;
    return folders;
}

// What has been heard is of no interest, but that it was.
static int quiet_after(const struct inotify_event *event) {
    if (!(event->mask & IN_MOVED_TO))
        return QUIET_MS;
    return event->len && strcmp(event->name, "..data") == 0 ? 0 : QUIET_MOVED_MS;
}

static bool hear_with(struct watch *watch, const struct ears *ears) {
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool heard = false;
    ssize_t len;
    while (ears->inotify >= 0 &&
           (len = TEMP_FAILURE_RETRY(read(ears->inotify, events, sizeof events))) > 0)
        for (char *at = events; at < events + len;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            unsigned folders = find_folders(watch, ears, event);
            if (folders) {
                watch->heard |= folders;
                heard = true;
                watch->quiet_ms = quiet_after(event);
            }
            at += sizeof *event + event->len;
        }
    return heard;
}

static bool hear(struct watch *watch) {
    return hear_with(watch, &watch->ears);
}

// Watches all folders anew, since one that was replaced has another inode. What the watches before
// have heard until then is not lost.
static void renew(struct watch *watch) {
    struct ears before = watch->ears;
    watch->live = true;
    watch->watched = 0;
    watch->ears = (struct ears){.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (watch->ears.inotify < 0)
        go_blind(watch, strerror(errno));
    for (int i = 0; i < watch->folder_count && watch->live; i++)
        add_below(watch, watch->folders[i], 1u << i, 0);
    for (int i = 0; i < watch->folder_count && watch->live; i++)
        add_above(watch, watch->folders[i]);
    if (watch->live)
        watch->told = false;
    hear_with(watch, &before);
    if (before.inotify >= 0)
        close(before.inotify);
    free(before.below);
}

struct watch *watch_new(const struct watch_options *options) {
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->folders = xcalloc((size_t)options->folder_count + 1, sizeof *watch->folders);
    assert(options->folder_count <= 8);
    for (int i = 0; i < options->folder_count; i++) {
        char *folder = watch->folders[i] = xstrdup(options->folders[i]);
        for (size_t len = strlen(folder); len > 1 && folder[len - 1] == '/'; len--)
            folder[len - 1] = 0;
    }
    watch->folder_count = options->folder_count;
    watch->look_ms = options->look_ms;
    watch->max_folders = options->max_folders ? options->max_folders : MAX_FOLDERS;
    watch->ears.inotify = -1;
    watch->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (watch->wake < 0) {
        log_event(LOG_ERROR, "no eventfd", "error", strerror(errno), NULL);
        abort();
    }
    renew(watch);
    return watch;
}

void watch_free(struct watch *watch) {
    if (watch->ears.inotify >= 0)
        close(watch->ears.inotify);
    close(watch->wake);
    for (int i = 0; i < watch->folder_count; i++)
        free(watch->folders[i]);
    free(watch->folders);
    free(watch->ears.below);
    free(watch);
}

static int take_wanted(struct watch *watch) {
    uint64_t count;
    if (TEMP_FAILURE_RETRY(read(watch->wake, &count, sizeof count)) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "an eventfd failed", "error", strerror(errno), NULL);
    int wanted = atomic_fetch_and(&watch->wanted, ~(ASKED | WOKEN));
    return wanted;
}

// Until either descriptor has something, or the time has passed.
static void doze(struct watch *watch, uint64_t ms) {
    struct pollfd fds[2] = {{watch->wake, POLLIN, 0}, {watch->ears.inotify, POLLIN, 0}};
    poll(fds, watch->ears.inotify >= 0 ? 2 : 1, (int)ms);
}

// The rest of what belongs together.
static void gather(struct watch *watch) {
    uint64_t first = now_ms(), last = first, now;
    while ((now = now_ms()) < first + LATEST_MS && now < last + (uint64_t)watch->quiet_ms &&
           !atomic_load(&watch->wanted)) {
        struct pollfd fd = {watch->ears.inotify, POLLIN, 0};
        if (poll(&fd, 1, (int)(last + (uint64_t)watch->quiet_ms - now)) > 0 && hear(watch))
            last = now_ms();
    }
}

static enum watch_event wait(struct watch *watch, int most_ms) {
    uint64_t until = now_ms() + (uint64_t)(most_ms ? most_ms : watch->look_ms);
    for (;;) {
        int wanted = take_wanted(watch);
        if (wanted & STOPPED)
            return WATCH_STOPPED;
        if (wanted & ASKED) {
            renew(watch);
            return WATCH_ASKED;
        }
        if (wanted & WOKEN)
            return WATCH_LOOK;
        if (watch->heard || hear(watch)) {
            gather(watch);
            renew(watch); // before anything is read: what comes later is heard
            return WATCH_CHANGED;
        }
        uint64_t now = now_ms();
        if (now >= until) {
            renew(watch);
            return WATCH_LOOK;
        }
        doze(watch, until - now);
    }
}

enum watch_event watch_wait(struct watch *watch, int most_ms) {
    enum watch_event event = wait(watch, most_ms);
    watch->where = event == WATCH_CHANGED ? watch->heard : ALL;
    if (event != WATCH_LOOK) // what it was woken for may be another thing
        watch->heard = 0;
    return event;
}

unsigned watch_where(const struct watch *watch) {
    return watch->where;
}

bool watch_is_pending(struct watch *watch, unsigned folders) {
    hear(watch);
    return (watch->heard & folders) != 0;
}

bool watch_is_live(const struct watch *watch) {
    return watch->live;
}

static void want(struct watch *watch, int what) {
    uint64_t one = 1;
    atomic_fetch_or(&watch->wanted, what);
    if (TEMP_FAILURE_RETRY(write(watch->wake, &one, sizeof one)) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "an eventfd failed", "error", strerror(errno), NULL);
}

void watch_ask(struct watch *watch) {
    want(watch, ASKED);
}

void watch_wake(struct watch *watch) {
    want(watch, WOKEN);
}

void watch_stop(struct watch *watch) {
    want(watch, STOPPED);
}
