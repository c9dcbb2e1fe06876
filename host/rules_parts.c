#include "rules_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

// What a file may require. No other way leads to require than its name in a text.

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static const char *skip_spaces(const char *at) {
    return at + strspn(at, " \t\r\n");
}

// Reads what follows `require`. -1: no plain literal. Else the literal is name[0..len).
static int read_literal(const char *at, const char **name, size_t *len) {
    at = skip_spaces(at);
    bool open = *at == '(';
    if (open)
        at = skip_spaces(at + 1);
    if (*at != '"' && *at != '\'')
        return -1;
    const char quote[] = {*at, '\\', '\n', 0};
    *name = at + 1;
    *len = strcspn(*name, quote);
    at = *name + *len;
    if (*at != quote[0])
        return -1;
    return open && *skip_spaces(at + 1) != ')' ? -1 : 0;
}

static void reach(const struct rules_bundle *bundle, size_t index, bool *reached);

static void reach_all(const struct rules_bundle *bundle, bool *reached) {
    for (size_t i = 0; i < rules_bundle_count(bundle); i++)
        reached[i] = true;
}

static void reach_module(const struct rules_bundle *bundle, const char *name, size_t len,
                         bool *reached) {
    const struct file *file = rules_bundle_module(bundle, name, len);
    if (file)
        reach(bundle, (size_t)(file - rules_bundle_file(bundle, 0)), reached);
}

static void reach(const struct rules_bundle *bundle, size_t index, bool *reached) {
    static const char WORD[] = "require", FOLDER[] = "rules.";
    enum { WORD_LEN = sizeof WORD - 1, FOLDER_LEN = sizeof FOLDER - 1 };
    const struct file *file = rules_bundle_file(bundle, index);
    if (reached[index])
        return;
    reached[index] = true;
    if (strlen(file->text) != file->len) // what follows a NUL is not seen below
        reach_all(bundle, reached);
    for (const char *at = file->text; (at = strstr(at, WORD)); at += WORD_LEN) {
        const char *name;
        size_t len;
        if ((at > file->text && is_name(at[-1])) || is_name(at[WORD_LEN]))
            continue;
        if (read_literal(at + WORD_LEN, &name, &len) != 0)
            reach_all(bundle, reached);
        else if (len > FOLDER_LEN && memcmp(name, FOLDER, FOLDER_LEN) == 0)
            reach_module(bundle, name + FOLDER_LEN, len - FOLDER_LEN, reached);
    }
}

// Parting.

struct root {
    const struct file *file;
    char name[64];
    size_t index;
    bool *reached;
};

struct roots {
    const struct rules_bundle *bundle;
    struct root *list;
    size_t count;
};

static void add_root(struct roots *roots, const char *name, size_t len) {
    const struct file *file = rules_bundle_module(roots->bundle, name, len);
    for (size_t i = 0; file && i < roots->count; i++)
        if (roots->list[i].file == file)
            return;
    if (!file)
        return;
    struct root *root = &roots->list[roots->count++];
    snprintf(root->name, sizeof root->name, "%.*s", (int)len, name);
    root->file = file;
    root->index = (size_t)(file - rules_bundle_file(roots->bundle, 0));
    root->reached = xcalloc(rules_bundle_count(roots->bundle), sizeof(bool));
    reach(roots->bundle, root->index, root->reached);
}

// Of two that require each other, the first one has the part.
static bool is_in(const struct roots *roots, size_t inner, size_t outer) {
    const struct root *a = &roots->list[inner], *b = &roots->list[outer];
    return inner != outer && b->reached[a->index] && (outer < inner || !a->reached[b->index]);
}

static bool leads(const struct roots *roots, size_t root) {
    for (size_t i = 0; i < roots->count; i++)
        if (is_in(roots, root, i))
            return false;
    return true;
}

static void add_file(const struct roots *roots, const struct root *root, struct buf *files,
                     bool *wanted) {
    char examples[80];
    buf_addf(files, "%s%s", files->len ? " " : "", root->name);
    snprintf(examples, sizeof examples, "%s.examples.json", root->name);
    const struct file *file = rules_bundle_find(roots->bundle, examples);
    if (file)
        wanted[file - rules_bundle_file(roots->bundle, 0)] = true;
}

static void make_part(const struct roots *roots, size_t leader, bool *taken,
                      struct rules_part *part) {
    const struct root *root = &roots->list[leader];
    struct buf files = {0};
    add_file(roots, root, &files, root->reached);
    for (size_t i = 0; i < roots->count; i++) {
        if (taken[i] || !is_in(roots, i, leader))
            continue;
        taken[i] = true;
        add_file(roots, &roots->list[i], &files, root->reached);
    }
    part->files = files.data;
    rules_bundle_digest(roots->bundle, root->reached, part->digest);
}

static void part_roots(const struct roots *roots, struct rules_parts *parts) {
    bool *taken = xcalloc(roots->count + 1, sizeof *taken);
    for (size_t i = 0; i < roots->count; i++)
        if (leads(roots, i))
            make_part(roots, i, taken, &parts->list[parts->count++]);
    free(taken);
}

void rules_parts_find(struct rules_parts *parts, const struct rules_bundle *bundle,
                      const char *only) {
    size_t count = rules_bundle_count(bundle);
    struct roots roots = {.bundle = bundle, .list = xcalloc(count + 1, sizeof *roots.list)};
    parts->list = xcalloc(count + 1, sizeof *parts->list);
    parts->count = 0;
    for (const char *at = only, *end; at && *(at += strspn(at, " ")); at = end) {
        end = at + strcspn(at, " ");
        add_root(&roots, at, (size_t)(end - at));
    }
    part_roots(&roots, parts);
    if (parts->count == 0) { // all files, or none of those that are wanted
        struct rules_part *part = &parts->list[parts->count++];
        part->files = only ? xstrdup("") : NULL;
        snprintf(part->digest, sizeof part->digest, "%s",
                 only ? "" : rules_bundle_revision(bundle));
    }
    for (size_t i = 0; i < roots.count; i++)
        free(roots.list[i].reached);
    free(roots.list);
}

void rules_parts_free(struct rules_parts *parts) {
    for (size_t i = 0; i < parts->count; i++)
        free(parts->list[i].files);
    free(parts->list);
    *parts = (struct rules_parts){0};
}

bool rules_part_same(const struct rules_part *a, const struct rules_part *b) {
    if (!a->files || !b->files)
        return a->files == b->files && strcmp(a->digest, b->digest) == 0;
    return strcmp(a->files, b->files) == 0 && strcmp(a->digest, b->digest) == 0;
}

bool rules_part_has(const struct rules_part *part, const char *file, size_t len) {
    for (const char *at = part->files; at && *(at += strspn(at, " ")); at += strcspn(at, " "))
        if (strcspn(at, " ") == len && strncmp(at, file, len) == 0)
            return true;
    return !part->files;
}
