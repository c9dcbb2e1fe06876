#include "rules_bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "buf.h"

struct rules_bundle {
    struct files files;
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

// The text is the caller's also where this fails.
static int read_all(int fd, const char *name, char *text, size_t size, struct err *err) {
    for (size_t len = 0; len < size;) {
        ssize_t got = TEMP_FAILURE_RETRY(read(fd, text + len, size - len));
        if (got < 0)
            return err_set(err, "%s cannot be read: %s", name, strerror(errno));
        if (got == 0)
            return err_set(err, "%s became shorter while it was read", name);
        len += (size_t)got;
    }
    text[size] = 0;
    return 0;
}

// Who may change the files, and where they are.

static bool may_everybody_write(int fd, const struct stat *at) {
    struct statvfs mount;
    if (!(at->st_mode & S_IWOTH))
        return false;
    return fstatvfs(fd, &mount) != 0 || !(mount.f_flag & ST_RDONLY);
}

// Where an open file really is, whatever links led there.
static int find_place(int fd, char place[PATH_MAX], struct err *err) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, place, PATH_MAX - 1);
    if (len < 0)
        return err_set(err, "%s cannot be read: %s", link, strerror(errno));
    place[len] = 0;
    return 0;
}

static bool is_inside(const char *place, const char *root) {
    size_t len = strlen(root);
    return strncmp(place, root, len) == 0 && (place[len] == '/' || place[len] == 0 || len == 1);
}

// The folders between a file that a link led to and the root.
static int check_folders(const char *place, const char *root, struct err *err) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", place);
    for (char *slash; (slash = strrchr(path, '/')) && slash >= path + strlen(root);) {
        struct stat at;
        *slash = 0;
        int fd = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return err_set(err, "%.200s cannot be opened: %s", path, strerror(errno));
        bool open_to_all = fstat(fd, &at) != 0 || may_everybody_write(fd, &at);
        close(fd);
        if (open_to_all)
            return err_set(err, "everybody may write the folder %.200s", path);
    }
    return 0;
}

// A file or folder that was opened by its name in the rules folder.
static int check_place(int fd, const struct stat *at, const char *name, const char *root,
                       struct err *err) {
    char place[PATH_MAX];
    if (find_place(fd, place, err) != 0)
        return -1;
    if (!is_inside(place, root))
        return err_set(err, "%s is a link that leaves the folder", name);
    if (may_everybody_write(fd, at))
        return err_set(err, "everybody may write %s", name);
    return check_folders(place, root, err);
}

static int add_file(struct rules_bundle *bundle, int folder, const char *root, const char *name,
                    struct err *err) {
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = -1;
    struct stat stat;
    if (fd < 0)
        return err_set(err, "%s cannot be opened: %s", name, strerror(errno));
    if (fstat(fd, &stat) != 0) {
        err_set(err, "%s cannot be read: %s", name, strerror(errno));
    } else if (!S_ISREG(stat.st_mode)) {
        err_set(err, "%s is not a regular file", name);
    } else if (check_place(fd, &stat, name, root, err) != 0) {
        ; // err says why
    } else if (stat.st_size > RULES_MAX_FILE_BYTES) {
        err_set(err, "%s is larger than %d bytes", name, RULES_MAX_FILE_BYTES);
    } else if (bundle->files.bytes + (size_t)stat.st_size > RULES_MAX_BYTES) {
        err_set(err, "the files are larger than %d bytes together", RULES_MAX_BYTES);
    } else if (bundle->files.count == RULES_MAX_FILES) {
        err_set(err, "there are more than %d files", RULES_MAX_FILES);
    } else {
        char *text = xmalloc((size_t)stat.st_size + 1);
        status = read_all(fd, name, text, (size_t)stat.st_size, err);
        if (status == 0)
            files_add(&bundle->files, name, strlen(name), text, (size_t)stat.st_size);
        else
            free(text);
    }
    close(fd);
    return status;
}

static int read_folder(struct rules_bundle *bundle, DIR *folder, const char *root,
                       struct err *err) {
    bool any = false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        bool lua = ends_with(name, ".lua");
        if (strncmp(name, "..", 2) == 0 || (!lua && !ends_with(name, ".json")))
            continue;
        if (lua && !is_module_name(name))
            return err_set(err, "%.80s: a name must be letters, digits and _, and .lua", name);
        if (add_file(bundle, dirfd(folder), root, name, err) != 0)
            return -1;
        any |= lua;
    }
    if (!any)
        return err_set(err, "there is no .lua file");
    files_seal(&bundle->files);
    return 0;
}

static int open_data(int folder, const char *root, int *data, struct err *err) {
    struct stat at;
    *data = openat(folder, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*data < 0)
        return 0;
    if (fstat(*data, &at) == 0 && check_place(*data, &at, "..data", root, err) == 0)
        return 0;
    close(*data);
    return -1;
}

// Opens the folder, or what its link "..data" leads to; root is where the folder really is.
static int open_folder(const char *folder, char root[PATH_MAX], DIR **out, struct err *err) {
    struct stat at;
    int data, fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "the rules folder %.200s cannot be opened: %s", folder,
                       strerror(errno));
    struct err why;
    int status = find_place(fd, root, &why);
    if (status == 0 && (fstat(fd, &at) != 0 || may_everybody_write(fd, &at)))
        status = err_set(&why, "everybody may write the folder");
    if (status == 0)
        status = open_data(fd, root, &data, &why);
    if (status == 0 && data >= 0) {
        close(fd);
        fd = data;
    }
    if (status == 0 && (*out = fdopendir(fd)))
        return 0;
    if (status == 0)
        err_set(&why, "it cannot be read: %s", strerror(errno));
    close(fd);
    return err_set(err, "rules folder %.200s: %.280s", folder, why.text);
}

static struct rules_bundle *new_bundle(void) {
    struct rules_bundle *bundle = xcalloc(1, sizeof *bundle);
    files_init(&bundle->files);
    return bundle;
}

int rules_bundle_read(struct rules_bundle **out, const char *folder, struct err *err) {
    char root[PATH_MAX];
    DIR *handle;
    if (open_folder(folder, root, &handle, err) != 0)
        return -1;
    struct rules_bundle *bundle = new_bundle();
    struct err why;
    int status = read_folder(bundle, handle, root, &why);
    closedir(handle);
    if (status == 0) {
        *out = bundle;
        return 0;
    }
    rules_bundle_unref(bundle);
    return err_set(err, "rules folder %.200s: %.280s", folder, why.text);
}

// As one text: a line with the revision, then of each file a line with its name and length, and its
// bytes with a line's end.

static const char MAGIC[] = "todo-rules 1 ";

void rules_bundle_pack(const struct rules_bundle *bundle, struct buf *out) {
    buf_addf(out, "%s%s\n", MAGIC, bundle->files.revision);
    for (size_t i = 0; i < bundle->files.count; i++) {
        const struct file *file = &bundle->files.list[i];
        buf_addf(out, "%s %zu\n", file->name, file->len);
        buf_add(out, file->text, file->len);
        buf_addc(out, '\n');
    }
}

// Takes one file off the text; -1: it is not as it was written.
static int unpack_file(struct rules_bundle *bundle, const char **at, const char *end) {
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));
    const char *space = line_end ? memchr(*at, ' ', (size_t)(line_end - *at)) : NULL;
    if (!space || space == *at || bundle->files.count == RULES_MAX_FILES)
        return -1;
    size_t len = 0;
    for (const char *digit = space + 1; digit < line_end; digit++) {
        if (*digit < '0' || *digit > '9' || len > RULES_MAX_FILE_BYTES)
            return -1;
        len = len * 10 + (size_t)(*digit - '0');
    }
    const char *text = line_end + 1;
    if (len >= (size_t)(end - text) || text[len] != '\n')
        return -1;
    files_add(&bundle->files, *at, (size_t)(space - *at), xstrndup(text, len), len);
    *at = text + len + 1;
    return 0;
}

int rules_bundle_unpack(struct rules_bundle **out, const char *text, size_t len, struct err *err) {
    enum { MAGIC_LEN = sizeof MAGIC - 1, REVISION_LEN = FILES_REVISION - 1 };
    const char *at = text + MAGIC_LEN + REVISION_LEN + 1, *end = text + len;
    if (len <= MAGIC_LEN + REVISION_LEN || memcmp(text, MAGIC, MAGIC_LEN) != 0 || at[-1] != '\n')
        return err_set(err, "it is no copy of rules");
    struct rules_bundle *bundle = new_bundle();
    int status = 0;
    while (status == 0 && at < end)
        status = unpack_file(bundle, &at, end);
    files_seal(&bundle->files);
    if (status == 0 && memcmp(bundle->files.revision, text + MAGIC_LEN, REVISION_LEN) == 0) {
        *out = bundle;
        return 0;
    }
    rules_bundle_unref(bundle);
    return err_set(err, "it is damaged: its content does not fit its revision");
}

struct rules_bundle *rules_bundle_ref(struct rules_bundle *bundle) {
    files_hold(&bundle->files);
    return bundle;
}

void rules_bundle_unref(struct rules_bundle *bundle) {
    if (bundle && files_release(&bundle->files))
        free(bundle);
}

const char *rules_bundle_revision(const struct rules_bundle *bundle) {
    return bundle->files.revision;
}

const struct file *rules_bundle_find(const struct rules_bundle *bundle, const char *name) {
    return files_find(&bundle->files, name);
}

const struct file *rules_bundle_module(const struct rules_bundle *bundle, const char *name,
                                       size_t len) {
    char file[64 + sizeof ".lua"];
    if (len >= 64) // is_module_name
        return NULL;
    snprintf(file, sizeof file, "%.*s.lua", (int)len, name);
    return strlen(file) == len + 4 ? rules_bundle_find(bundle, file) : NULL;
}

void rules_bundle_digest(const struct rules_bundle *bundle, const bool *wanted,
                         char digest[FILES_REVISION]) {
    files_digest(&bundle->files, wanted, digest);
}

size_t rules_bundle_count(const struct rules_bundle *bundle) {
    return bundle->files.count;
}

const struct file *rules_bundle_file(const struct rules_bundle *bundle, size_t index) {
    return &bundle->files.list[index];
}
