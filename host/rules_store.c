#include "rules_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

// "000000000012-REVISION.rules": the number first, so that names sort in their order.
enum { DIGITS = 12, REVISION = 64, NAME = DIGITS + 1 + REVISION + 6 };
enum { MAX_COPIES = 64, MAX_BYTES = RULES_MAX_BYTES + RULES_MAX_FILES * 128 };

struct copies {
    char names[MAX_COPIES][NAME + 1]; // the latest first
    size_t count;
};

static const char *revision_of(const char *name) {
    return name + DIGITS + 1;
}

static bool is_copy(const char *name) {
    return strlen(name) == NAME && strspn(name, "0123456789") == DIGITS && name[DIGITS] == '-' &&
           strspn(revision_of(name), "0123456789abcdef") == REVISION &&
           strcmp(revision_of(name) + REVISION, ".rules") == 0;
}

static int by_number_down(const void *a, const void *b) {
    return strcmp(b, a);
}

static void list(int folder, struct copies *copies) {
    copies->count = 0;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *handle = fd < 0 ? NULL : fdopendir(fd);
    if (!handle) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(handle)) && copies->count < MAX_COPIES;)
        if (is_copy(entry->d_name))
            memcpy(copies->names[copies->count++], entry->d_name, NAME + 1);
    closedir(handle);
    qsort(copies->names, copies->count, sizeof *copies->names, by_number_down);
}

static int open_folder(const char *state_folder, bool make, struct err *err) {
    struct buf path = {0};
    buf_addf(&path, "%s/rules", state_folder);
    int fd = -1;
    if (make && ((mkdir(state_folder, 0700) != 0 && errno != EEXIST) ||
                 (mkdir(path.data, 0700) != 0 && errno != EEXIST)))
        err_set(err, "%.300s cannot be made: %s", path.data, strerror(errno));
    else if ((fd = open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        err_set(err, "%.300s cannot be opened: %s", path.data, strerror(errno));
    buf_free(&path);
    return fd;
}

static int write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t done = TEMP_FAILURE_RETRY(write(fd, bytes, len));
        if (done < 0)
            return -1;
        bytes += done;
        len -= (size_t)done;
    }
    return fsync(fd);
}

static int write_file(int folder, const char *name, const struct buf *text, struct err *err) {
    static const char NEW[] = "new";
    int fd = openat(folder, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status = fd >= 0 ? write_all(fd, text->data, text->len) : -1;
    if (status == 0)
        status = renameat(folder, NEW, folder, name);
    if (status == 0)
        status = fsync(folder);
    if (status != 0)
        err_set(err, "%s cannot be written: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static int read_file(int folder, const char *name, struct buf *text, struct err *err) {
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char chunk[16384];
    ssize_t got = -1;
    while (fd >= 0 && (got = TEMP_FAILURE_RETRY(read(fd, chunk, sizeof chunk))) > 0 &&
           text->len <= MAX_BYTES)
        buf_add(text, chunk, (size_t)got);
    int status = 0;
    if (got < 0)
        status = err_set(err, "it cannot be read: %s", strerror(errno));
    else if (text->len > MAX_BYTES)
        status = err_set(err, "it is larger than %d bytes", MAX_BYTES);
    if (fd >= 0)
        close(fd);
    return status;
}

// Copies.

int rules_store_put(const char *state_folder, const struct rules_bundle *bundle, struct err *err) {
    int folder = open_folder(state_folder, true, err), status = 0;
    if (folder < 0)
        return -1;
    struct copies copies;
    const char *revision = rules_bundle_revision(bundle);
    list(folder, &copies);
    if (copies.count == 0 || strncmp(revision_of(copies.names[0]), revision, REVISION) != 0) {
        char name[NAME + 1];
        struct buf text = {0};
        unsigned long long last = copies.count ? strtoull(copies.names[0], NULL, 10) : 0;
        snprintf(name, sizeof name, "%0*llu-%.64s.rules", DIGITS, (last + 1) % 1000000000000,
                 revision);
        rules_bundle_pack(bundle, &text);
        status = write_file(folder, name, &text, err);
        buf_free(&text);
        for (size_t i = RULES_STORE_KEPT - 1; status == 0 && i < copies.count; i++)
            unlinkat(folder, copies.names[i], 0);
    }
    close(folder);
    return status;
}

static void remove_copies(int folder, const char *revision) {
    struct copies copies;
    list(folder, &copies);
    for (size_t i = 0; i < copies.count; i++)
        if (strncmp(revision_of(copies.names[i]), revision, REVISION) == 0)
            unlinkat(folder, copies.names[i], 0);
}

static int read_copy(int folder, const char *name, struct rules_bundle **bundle, struct err *err) {
    struct buf text = {0};
    int status = read_file(folder, name, &text, err);
    if (status == 0)
        status = rules_bundle_unpack(bundle, text.data ? text.data : "", text.len, err);
    buf_free(&text);
    return status;
}

bool rules_store_find(const char *state_folder,
                      bool (*take)(void *user, struct rules_bundle *bundle), void *user) {
    struct err err;
    int folder = open_folder(state_folder, false, &err);
    if (folder < 0)
        return false;
    struct copies copies;
    bool taken = false;
    list(folder, &copies);
    for (size_t i = 0; i < copies.count && !taken; i++) {
        struct rules_bundle *bundle;
        if (read_copy(folder, copies.names[i], &bundle, &err) != 0) {
            log_event(LOG_WARN, "a copy of the rules is passed over", "file", copies.names[i],
                      "error", err.text, NULL);
            continue;
        }
        taken = take(user, bundle);
        rules_bundle_unref(bundle);
    }
    close(folder);
    return taken;
}

// What was taken back: a line each, the revision and why, the latest last.

static const char BANNED[] = "taken-back";

// The line of a revision in `text`, its end in `after`; NULL: there is none. revision NULL: any.
static const char *find_line(const char *text, const char *revision, const char **after) {
    for (const char *line = text; line && *line; line = *after) {
        const char *end = strchr(line, '\n');
        *after = end ? end + 1 : line + strlen(line);
        if (end && end - line > REVISION && line[REVISION] == ' ' &&
            (!revision || strncmp(line, revision, REVISION) == 0))
            return line;
    }
    return NULL;
}

// Reads the lines of all but `revision`, and of these the last `most`. No file is no line.
static void read_others(int folder, const char *revision, int most, struct buf *out) {
    struct buf text = {0};
    struct err ignored;
    int count = 0;
    buf_adds(out, "");
    if (read_file(folder, BANNED, &text, &ignored) == 0) {
        const char *after = text.data;
        for (const char *line; (line = find_line(after, NULL, &after));)
            count += strncmp(line, revision, REVISION) != 0;
        after = text.data;
        for (const char *line; (line = find_line(after, NULL, &after));)
            if (strncmp(line, revision, REVISION) != 0 && count-- <= most)
                buf_add(out, line, (size_t)(after - line));
    }
    buf_free(&text);
}

bool rules_store_is_banned(const char *state_folder, const char *revision, struct err *why) {
    struct buf text = {0};
    const char *after, *line = NULL;
    int folder = open_folder(state_folder, false, why);
    if (folder < 0)
        return false;
    if (read_file(folder, BANNED, &text, why) == 0)
        line = find_line(text.data, revision, &after);
    if (line)
        err_set(why, "%.*s", (int)(after - line) - REVISION - 2, line + REVISION + 1);
    close(folder);
    buf_free(&text);
    return line;
}

int rules_store_ban(const char *state_folder, const char *revision, const char *why,
                    struct err *err) {
    struct buf text = {0};
    int folder = open_folder(state_folder, true, err);
    if (folder < 0)
        return -1;
    remove_copies(folder, revision);
    read_others(folder, revision, RULES_STORE_BANNED - 1, &text);
    buf_addf(&text, "%s %s\n", revision, why);
    int status = write_file(folder, BANNED, &text, err);
    close(folder);
    buf_free(&text);
    return status;
}

int rules_store_allow(const char *state_folder, const char *revision, struct err *err) {
    struct buf text = {0};
    struct err ignored;
    if (!rules_store_is_banned(state_folder, revision, &ignored))
        return 0;
    int folder = open_folder(state_folder, false, err);
    if (folder < 0)
        return -1;
    read_others(folder, revision, RULES_STORE_BANNED, &text);
    int status = write_file(folder, BANNED, &text, err);
    close(folder);
    buf_free(&text);
    return status;
}
