#include "files.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

void files_init(struct files *files) {
    *files = (struct files){0};
    atomic_init(&files->holders, 1);
}

void files_add(struct files *files, const char *name, size_t name_len, char *text, size_t len) {
    if ((files->count & (files->count + 1)) == 0) // grows by doubling
        files->list = xrealloc(files->list, 2 * (files->count + 1) * sizeof *files->list);
    files->list[files->count++] = (struct file){xstrndup(name, name_len), text, len};
    files->bytes += len;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

void files_digest(const struct files *files, const bool *wanted, char digest[FILES_REVISION]) {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    struct buf all = {0};
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->list[i];
        if (wanted && !wanted[i])
            continue;
        buf_addf(&all, "%s %zu\n", file->name, file->len);
        buf_add(&all, file->text, file->len);
    }
    SHA256((const unsigned char *)(all.data ? all.data : ""), all.len, bytes);
    buf_free(&all);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
}

void files_seal(struct files *files) {
    if (files->count > 0)
        qsort(files->list, files->count, sizeof *files->list, by_name);
    files_digest(files, NULL, files->revision);
}

const struct file *files_find(const struct files *files, const char *name) {
    struct file key = {.name = (char *)name};
    return files->count > 0 ? bsearch(&key, files->list, files->count, sizeof *files->list, by_name)
                            : NULL;
}

void files_hold(struct files *files) {
    atomic_fetch_add(&files->holders, 1);
}

bool files_release(struct files *files) {
    if (atomic_fetch_sub(&files->holders, 1) > 1)
        return false;
    for (size_t i = 0; i < files->count; i++) {
        free(files->list[i].name);
        free(files->list[i].text);
    }
    free(files->list);
    return true;
}
