#include "rules_bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

struct rules_bundle {
    atomic_int references;
    struct rules_file files[RULES_MAX_FILES];
    size_t count, bytes;
    char revision[2 * SHA256_DIGEST_LENGTH + 1];
};

static bool ends_with(const char *name, const char *ending) {
    size_t len = strlen(name), end = strlen(ending);
    return len > end && strcmp(name + len - end, ending) == 0;
}

// What follows "rules." in require, and stands before the dot in the name of a rule.
static bool is_module_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return len > 0 && len < 64 && strcmp(name + len, ".lua") == 0;
}

static int read_all(int fd, struct rules_file *file, size_t size, struct err *err) {
    file->text = xmalloc(size + 1);
    while (file->len < size) {
        ssize_t got = read(fd, file->text + file->len, size - file->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, "%s cannot be read: %s", file->name, strerror(errno));
        if (got == 0)
            return err_set(err, "%s became shorter while it was read", file->name);
        file->len += (size_t)got;
    }
    file->text[size] = 0;
    return 0;
}

static int add_file(struct rules_bundle *bundle, int folder, const char *name, struct err *err) {
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = -1;
    struct stat stat;
    if (fd < 0)
        return err_set(err, "%s cannot be opened: %s", name, strerror(errno));
    if (fstat(fd, &stat) != 0) {
        err_set(err, "%s cannot be read: %s", name, strerror(errno));
    } else if (!S_ISREG(stat.st_mode)) {
        err_set(err, "%s is not a regular file", name);
    } else if (stat.st_size > RULES_MAX_FILE_BYTES) {
        err_set(err, "%s is larger than %d bytes", name, RULES_MAX_FILE_BYTES);
    } else if (bundle->bytes + (size_t)stat.st_size > RULES_MAX_BYTES) {
        err_set(err, "the files are larger than %d bytes together", RULES_MAX_BYTES);
    } else if (bundle->count == RULES_MAX_FILES) {
        err_set(err, "there are more than %d files", RULES_MAX_FILES);
    } else {
        struct rules_file *file = &bundle->files[bundle->count++];
        file->name = xstrdup(name);
        status = read_all(fd, file, (size_t)stat.st_size, err);
        bundle->bytes += file->len;
    }
    close(fd);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct rules_file *)a)->name, ((const struct rules_file *)b)->name);
}

static void compute_revision(struct rules_bundle *bundle) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct buf all = {0};
    for (size_t i = 0; i < bundle->count; i++) {
        const struct rules_file *file = &bundle->files[i];
        buf_addf(&all, "%s %zu\n", file->name, file->len);
        buf_add(&all, file->text, file->len);
    }
    SHA256((const unsigned char *)all.data, all.len, digest);
    buf_free(&all);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(bundle->revision + 2 * i, 3, "%02x", digest[i]);
}

static int read_folder(struct rules_bundle *bundle, DIR *folder, struct err *err) {
    bool any = false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        bool lua = ends_with(name, ".lua");
        if (strncmp(name, "..", 2) == 0 || (!lua && !ends_with(name, ".json")))
            continue;
        if (lua && !is_module_name(name))
            return err_set(err, "%.80s: a name must be letters, digits and _, and .lua", name);
        if (add_file(bundle, dirfd(folder), name, err) != 0)
            return -1;
        any |= lua;
    }
    if (!any)
        return err_set(err, "there is no .lua file");
    qsort(bundle->files, bundle->count, sizeof *bundle->files, by_name);
    compute_revision(bundle);
    return 0;
}

static DIR *open_folder(const char *folder) {
    struct buf data = {0};
    buf_addf(&data, "%s/..data", folder);
    int fd = open(data.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_free(&data);
    if (fd < 0)
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

int rules_bundle_read(struct rules_bundle **out, const char *folder, struct err *err) {
    DIR *handle = open_folder(folder);
    if (!handle)
        return err_set(err, "the rules folder %.200s cannot be opened: %s", folder,
                       strerror(errno));
    struct rules_bundle *bundle = xcalloc(1, sizeof *bundle);
    atomic_init(&bundle->references, 1);
    struct err why;
    int status = read_folder(bundle, handle, &why);
    closedir(handle);
    if (status == 0) {
        *out = bundle;
        return 0;
    }
    rules_bundle_unref(bundle);
    return err_set(err, "rules folder %.200s: %.280s", folder, why.text);
}

struct rules_bundle *rules_bundle_ref(struct rules_bundle *bundle) {
    atomic_fetch_add(&bundle->references, 1);
    return bundle;
}

void rules_bundle_unref(struct rules_bundle *bundle) {
    if (!bundle || atomic_fetch_sub(&bundle->references, 1) != 1)
        return;
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->files[i].name);
        free(bundle->files[i].text);
    }
    free(bundle);
}

const char *rules_bundle_revision(const struct rules_bundle *bundle) {
    return bundle->revision;
}

size_t rules_bundle_count(const struct rules_bundle *bundle) {
    return bundle->count;
}

const struct rules_file *rules_bundle_file(const struct rules_bundle *bundle, size_t index) {
    return &bundle->files[index];
}
