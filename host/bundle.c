#include "bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

enum { MAX_DEPTH = 16, ATTEMPTS = 20, ATTEMPT_US = 5000 };

struct bundle {
    struct files files;
    char *folder;
};

static struct bundle *new_bundle(const char *folder) {
    struct bundle *bundle = xcalloc(1, sizeof *bundle);
    files_init(&bundle->files);
    bundle->folder = xstrdup(folder);
    return bundle;
}

struct bundle *bundle_hold(struct bundle *bundle) {
    files_hold(&bundle->files);
    return bundle;
}

void bundle_release(struct bundle *bundle) {
    if (!bundle || !files_release(&bundle->files))
        return;
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
    while ((got = TEMP_FAILURE_RETRY(read(fd, chunk, sizeof chunk))) > 0 &&
           bundle->files.bytes + content.len <= reader->limits->bytes)
        buf_add(&content, chunk, (size_t)got);
    int why = errno;
    close(fd);
    files_add(&bundle->files, path, strlen(path), content.data ? content.data : xcalloc(1, 1),
              content.len);
    if (got < 0)
        return err_set(reader->err, "cannot read %s: %s", path, strerror(why));
    if (bundle->files.bytes > reader->limits->bytes)
        return err_set(reader->err, "%s: more than %zu bytes in all", bundle->folder,
                       reader->limits->bytes);
    if (bundle->files.count > reader->limits->files)
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

static int read_once(struct bundle **out, const char *folder, const struct bundle_limits *limits,
                     struct err *err) {
    struct reader reader = {.limits = limits, .err = err};
    reader.bundle = new_bundle(folder);
    if (read_folder(&reader, "", 0) != 0) {
        bundle_release(reader.bundle);
        return -1;
    }
    files_seal(&reader.bundle->files);
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
        bool same =
            status == 0 && before && strcmp(before->files.revision, now->files.revision) == 0;
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
    return bundle ? files_find(&bundle->files, path) : NULL;
}

const char *bundle_find(const struct bundle *bundle, const char *path, size_t *len) {
    const struct file *file = find(bundle, path);
    if (!file)
        return NULL;
    *len = file->len;
    return file->text;
}

static bool same(const struct file *a, const struct file *b) {
    return a && b ? a->len == b->len && memcmp(a->text, b->text, a->len) == 0 : a == b;
}

bool bundle_same_file(const struct bundle *a, const struct bundle *b, const char *path) {
    return same(find(a, path), find(b, path));
}

static bool covers(const struct bundle *a, const struct bundle *b, const char *prefix) {
    for (size_t i = 0; a && i < a->files.count; i++) {
        const struct file *file = &a->files.list[i];
        if (strncmp(file->name, prefix, strlen(prefix)) == 0 && !same(file, find(b, file->name)))
            return false;
    }
    return true;
}

bool bundle_same_below(const struct bundle *a, const struct bundle *b, const char *prefix) {
    return covers(a, b, prefix) && covers(b, a, prefix);
}

size_t bundle_count(const struct bundle *bundle) {
    return bundle->files.count;
}

const char *bundle_path(const struct bundle *bundle, size_t index) {
    return bundle->files.list[index].name;
}

const char *bundle_revision(const struct bundle *bundle) {
    return bundle->files.revision;
}

const char *bundle_folder(const struct bundle *bundle) {
    return bundle->folder;
}
