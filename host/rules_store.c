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
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        bytes += done;
        len -= (size_t)done;
    }
    return fsync(fd);
}

static int write_copy(int folder, const char *name, const struct rules_bundle *bundle,
                      struct err *err) {
    static const char NEW[] = "new";
    struct buf text = {0};
    int fd = openat(folder, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    rules_bundle_pack(bundle, &text);
    int status = fd >= 0 ? write_all(fd, text.data, text.len) : -1;
    if (status == 0)
        status = renameat(folder, NEW, folder, name);
    if (status == 0)
        status = fsync(folder);
    if (status != 0)
        err_set(err, "a copy of the rules cannot be written: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    buf_free(&text);
    return status;
}

int rules_store_put(const char *state_folder, const struct rules_bundle *bundle, struct err *err) {
    int folder = open_folder(state_folder, true, err), status = 0;
    if (folder < 0)
        return -1;
    struct copies copies;
    const char *revision = rules_bundle_revision(bundle);
    list(folder, &copies);
    if (copies.count == 0 || strncmp(revision_of(copies.names[0]), revision, REVISION) != 0) {
        char name[NAME + 1];
        unsigned long long last = copies.count ? strtoull(copies.names[0], NULL, 10) : 0;
        snprintf(name, sizeof name, "%0*llu-%.64s.rules", DIGITS, (last + 1) % 1000000000000,
                 revision);
        status = write_copy(folder, name, bundle, err);
        for (size_t i = RULES_STORE_KEPT - 1; status == 0 && i < copies.count; i++)
            unlinkat(folder, copies.names[i], 0);
    }
    close(folder);
    return status;
}

void rules_store_drop(const char *state_folder, const char *revision) {
    struct err ignored;
    int folder = open_folder(state_folder, false, &ignored);
    if (folder < 0)
        return;
    struct copies copies;
    list(folder, &copies);
    for (size_t i = 0; i < copies.count; i++)
        if (strncmp(revision_of(copies.names[i]), revision, REVISION) == 0)
            unlinkat(folder, copies.names[i], 0);
    close(folder);
}

static int read_copy(int folder, const char *name, struct rules_bundle **bundle, struct err *err) {
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct buf text = {0};
    char chunk[16384];
    ssize_t got = -1;
    while (fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0 && text.len <= MAX_BYTES)
        buf_add(&text, chunk, (size_t)got);
    int status = -1;
    if (got < 0)
        err_set(err, "it cannot be read: %s", strerror(errno));
    else if (text.len > MAX_BYTES)
        err_set(err, "it is larger than %d bytes", MAX_BYTES);
    else
        status = rules_bundle_unpack(bundle, text.data ? text.data : "", text.len, err);
    if (fd >= 0)
        close(fd);
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
