#include "bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_DEPTH = 16, ATTEMPTS = 20, ATTEMPT_US = 5000 };

struct file {
    char *path;
    char *bytes;
    size_t len;
};

struct bundle {
    atomic_int holders;
    char *folder;
    struct file *files; // by path
    size_t count;
    size_t bytes;
    char revision[BUNDLE_REVISION];
};

static struct bundle *new_bundle(const char *folder) {
    struct bundle *bundle = xcalloc(1, sizeof *bundle);
    atomic_init(&bundle->holders, 1);
    bundle->folder = xstrdup(folder);
    return bundle;
}

struct bundle *bundle_hold(struct bundle *bundle) {
    atomic_fetch_add(&bundle->holders, 1);
    return bundle;
}

void bundle_release(struct bundle *bundle) {
    if (!bundle || atomic_fetch_sub(&bundle->holders, 1) > 1)
        return;
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->files[i].path);
        free(bundle->files[i].bytes);
    }
    free(bundle->files);
    free(bundle->folder);
    free(bundle);
}

// Reading.

struct reader {
    struct bundle *bundle;
    const struct bundle_limits *limits;
    struct err *err;
};

static int read_whole(struct reader *reader, const char *full, const char *path) {
    struct bundle *bundle = reader->bundle;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    if (fd < 0)
        return err_set(reader->err, "cannot read %s: %s", path, strerror(errno));
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        close(fd);
        return err_set(reader->err, "%s is not a file", path);
    }
    struct buf content = {0};
    char chunk[16384];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 &&
           bundle->bytes + content.len <= reader->limits->bytes)
        buf_add(&content, chunk, (size_t)got);
    int why = errno;
    close(fd);
    bundle->bytes += content.len;
    bundle->files = xrealloc(bundle->files, (bundle->count + 1) * sizeof *bundle->files);
    bundle->files[bundle->count++] =
        (struct file){xstrdup(path), content.data ? content.data : xcalloc(1, 1), content.len};
    if (got < 0)
        return err_set(reader->err, "cannot read %s: %s", path, strerror(why));
    if (bundle->bytes > reader->limits->bytes)
        return err_set(reader->err, "%s: more than %zu bytes in all", bundle->folder,
                       reader->limits->bytes);
    if (bundle->count > reader->limits->files)
        return err_set(reader->err, "%s: more than %zu files", bundle->folder,
                       reader->limits->files);
    return 0;
}

static bool is_script(const char *name) {
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

static int read_folder(struct reader *reader, const char *below, int depth);

static int read_entry(struct reader *reader, const char *path, const char *name, int depth) {
    struct buf full = {0};
    struct stat at;
    buf_addf(&full, "%s/%s", reader->bundle->folder, path);
    int status = 0;
    if (stat(full.data, &at) != 0)
        status = is_script(name) ? err_set(reader->err, "%s: %s", path, strerror(errno)) : 0;
    else if (S_ISDIR(at.st_mode))
        status = read_folder(reader, path, depth + 1);
    else if (is_script(name))
        status = read_whole(reader, full.data, path);
    buf_free(&full);
    return status;
}

static int read_folder(struct reader *reader, const char *below, int depth) {
    if (depth > MAX_DEPTH)
        return err_set(reader->err, "%s lies more than %d folders deep", below, MAX_DEPTH);
    struct buf full = {0};
    buf_addf(&full, *below ? "%s/%s" : "%s%s", reader->bundle->folder, below);
    DIR *folder = opendir(full.data);
    if (!folder) {
        int status = err_set(reader->err, "cannot read %s: %s", full.data, strerror(errno));
        buf_free(&full);
        return status;
    }
    buf_free(&full);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        struct buf path = {0};
        buf_addf(&path, *below ? "%s/%s" : "%s%s", below, entry->d_name);
        status = read_entry(reader, path.data, entry->d_name, depth);
        buf_free(&path);
    }
    closedir(folder);
    return status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static void finish(struct bundle *bundle) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct buf all = {0};
    if (bundle->count > 0)
        qsort(bundle->files, bundle->count, sizeof *bundle->files, by_path);
    for (size_t i = 0; i < bundle->count; i++) {
        const struct file *file = &bundle->files[i];
        buf_addf(&all, "%s", file->path);
        buf_addc(&all, 0);
        buf_addf(&all, "%zu", file->len);
        buf_addc(&all, 0);
        buf_add(&all, file->bytes, file->len);
    }
    SHA256((const unsigned char *)(all.data ? all.data : ""), all.len, digest);
    buf_free(&all);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(bundle->revision + 2 * i, 3, "%02x", digest[i]);
}

static int read_once(struct bundle **out, const char *folder, const struct bundle_limits *limits,
                     struct err *err) {
    struct reader reader = {.limits = limits, .err = err};
    reader.bundle = new_bundle(folder);
    if (read_folder(&reader, "", 0) != 0) {
        bundle_release(reader.bundle);
        return -1;
    }
    finish(reader.bundle);
    *out = reader.bundle;
    return 0;
}

// Twice the same: nobody was writing meanwhile.
int bundle_read(struct bundle **out, const char *folder, const struct bundle_limits *limits,
                struct err *err) {
    struct bundle *before = NULL, *now = NULL;
    for (int i = 0; i < ATTEMPTS; i++) {
        if (i > 1)
            usleep(ATTEMPT_US);
        now = NULL;
        int status = read_once(&now, folder, limits, err);
        bool same = status == 0 && before && strcmp(before->revision, now->revision) == 0;
        bundle_release(before);
        before = now;
        if (same) {
            *out = now;
            return 0;
        }
        if (status != 0 && i > 0)
            break;
    }
    if (!now)
        return -1;
    bundle_release(now);
    return err_set(err, "%s keeps on changing while it is read", folder);
}

// Use.

static const struct file *find(const struct bundle *bundle, const char *path) {
    struct file key = {.path = (char *)path};
    return bundle && bundle->count
               ? bsearch(&key, bundle->files, bundle->count, sizeof *bundle->files, by_path)
               : NULL;
}

const char *bundle_find(const struct bundle *bundle, const char *path, size_t *len) {
    const struct file *file = find(bundle, path);
    if (!file)
        return NULL;
    *len = file->len;
    return file->bytes;
}

static bool same(const struct file *a, const struct file *b) {
    return a && b ? a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0 : a == b;
}

bool bundle_same_file(const struct bundle *a, const struct bundle *b, const char *path) {
    return same(find(a, path), find(b, path));
}

static bool covers(const struct bundle *a, const struct bundle *b, const char *prefix) {
    for (size_t i = 0; a && i < a->count; i++)
        if (strncmp(a->files[i].path, prefix, strlen(prefix)) == 0 &&
            !same(&a->files[i], find(b, a->files[i].path)))
            return false;
    return true;
}

bool bundle_same_below(const struct bundle *a, const struct bundle *b, const char *prefix) {
    return covers(a, b, prefix) && covers(b, a, prefix);
}

size_t bundle_count(const struct bundle *bundle) {
    return bundle->count;
}

const char *bundle_path(const struct bundle *bundle, size_t index) {
    return bundle->files[index].path;
}

const char *bundle_revision(const struct bundle *bundle) {
    return bundle->revision;
}

const char *bundle_folder(const struct bundle *bundle) {
    return bundle->folder;
}
