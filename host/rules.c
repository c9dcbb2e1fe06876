#include "rules.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "lua_state.h"
#include "rules_parts.h"
#include "rules_vm.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 10 }; // all takes longer in such a build
#else
enum { SLOWER = 1 };
#endif

static unsigned cpu_factor = 1;

void rules_set_cpu_factor(unsigned factor) {
    cpu_factor = factor;
}

struct rules_limits rules_usual_limits(void) {
    unsigned factor = SLOWER * cpu_factor;
    return (struct rules_limits){
        .call_ms = 5 * factor, .load_ms = 500 * factor, .memory = 16u << 20};
}

struct rules {
    struct rules_bundle *bundle;
    char *only;
    struct rules_parts parts;
    struct rules_vm **vms; // one a part; NULL: left out, or taken over by a later generation
    struct rules_vm *called;
};

static _Thread_local const char *volatile running;

const char *rules_running(void) {
    return running;
}

static bool is_in(const struct rules_bundle *known, const struct file *file) {
    const struct file *same = known ? rules_bundle_find(known, file->name) : NULL;
    return same && same->len == file->len && memcmp(same->text, file->text, file->len) == 0;
}

int rules_compile(const struct rules_bundle *bundle, const struct rules_bundle *known,
                  struct err *err) {
    lua_State *L = lua_state_new();
    int status = 0;
    for (size_t i = 0; status == 0 && i < rules_bundle_count(bundle); i++) {
        const struct file *file = rules_bundle_file(bundle, i);
        bool lua = strcmp(file->name + strlen(file->name) - 4, ".lua") == 0;
        if (lua && !is_in(known, file) && rules_vm_compile(L, file) != 0)
            status = err_set(err, "%s", lua_tostring(L, -1));
        lua_settop(L, 0);
    }
    lua_state_close(L);
    return status;
}

// Life.

static bool has_same(const struct rules_parts *parts, const struct rules_part *part) {
    for (size_t i = 0; i < parts->count; i++)
        if (rules_part_same(&parts->list[i], part))
            return true;
    return false;
}

static int make_vms(struct rules *rules, const struct rules_parts *live,
                    const struct rules_limits *limits, struct err *err) {
    struct rules_limits of_part = *limits;
    for (size_t i = 0; i < rules->parts.count; i++) {
        const struct rules_part *part = &rules->parts.list[i];
        if (live && has_same(live, part))
            continue;
        of_part.only = part->files;
        if (rules_vm_new(&rules->vms[i], rules->bundle, &of_part, err) != 0)
            return -1;
    }
    return 0;
}

int rules_new_after(struct rules **out, struct rules_bundle *bundle,
                    const struct rules_bundle *live, const struct rules_limits *limits,
                    struct err *err) {
    struct rules *rules = xcalloc(1, sizeof *rules);
    struct rules_parts before = {0};
    rules->bundle = rules_bundle_ref(bundle);
    rules->only = limits->only ? xstrdup(limits->only) : NULL;
    rules_parts_find(&rules->parts, bundle, limits->only);
    rules->vms = xcalloc(rules->parts.count, sizeof(struct rules_vm *));
    if (live)
        rules_parts_find(&before, live, limits->only);
    int status = make_vms(rules, live ? &before : NULL, limits, err);
    rules_parts_free(&before);
    if (status == 0)
        *out = rules;
    else
        rules_free(rules);
    return status;
}

int rules_new(struct rules **out, struct rules_bundle *bundle, const struct rules_limits *limits,
              struct err *err) {
    return rules_new_after(out, bundle, NULL, limits, err);
}

void rules_free(struct rules *rules) {
    for (size_t i = 0; i < rules->parts.count; i++)
        if (rules->vms[i])
            rules_vm_free(rules->vms[i]);
    free(rules->vms);
    rules_parts_free(&rules->parts);
    rules_bundle_unref(rules->bundle);
    free(rules->only);
    free(rules);
}

// Calling.

// The VM of a file; of one that is in no part the first, which says what is wrong.
static struct rules_vm *find_vm(const struct rules *rules, const char *name) {
    const char *dot = strrchr(name, '.');
    size_t len = dot ? (size_t)(dot - name) : 0;
    for (size_t i = 0; i < rules->parts.count; i++)
        if (rules_part_has(&rules->parts.list[i], name, len))
            return rules->vms[i];
    return rules->vms[0];
}

int rules_call(struct rules *rules, const char *name, lua_State *from, int first, int count,
               struct rules_failure *failure) {
    rules->called = find_vm(rules, name);
    if (!rules->called) {
        *failure =
            (struct rules_failure){"missing", "the rules of this file are not made anew", ""};
        return -1;
    }
    running = name;
    int results = rules_vm_call(rules->called, name, from, first, count, failure);
    running = NULL;
    return results;
}

void rules_explain(struct rules *rules) {
    for (size_t i = 0; i < rules->parts.count; i++)
        if (rules->vms[i])
            rules_vm_explain(rules->vms[i]);
}

struct rules_account rules_account(const struct rules *rules) {
    return rules->called ? rules_vm_account(rules->called)
                         : (struct rules_account){.explained = ""};
}

const char *rules_called(const struct rules *rules) {
    return rules->called ? rules_vm_called(rules->called) : "";
}

const char *rules_revision(const struct rules *rules) {
    return rules_bundle_revision(rules->bundle);
}

const struct file *rules_find_file(const struct rules *rules, const char *name) {
    return rules_bundle_find(rules->bundle, name);
}

bool rules_is_left_out(const struct rules *rules, const char *file, size_t len) {
    for (size_t i = 0; i < rules->parts.count; i++)
        if (rules_part_has(&rules->parts.list[i], file, len))
            return !rules->vms[i];
    return false;
}

size_t rules_memory(const struct rules *rules) {
    size_t bytes = 0;
    for (size_t i = 0; i < rules->parts.count; i++)
        if (rules->vms[i])
            bytes += rules_vm_memory(rules->vms[i]);
    return bytes;
}

const char *rules_only(const struct rules *rules) {
    return rules->only;
}

// Generations of a worker.

int rules_prepare(struct rules_slot *slot, struct rules_bundle *bundle,
                  const struct rules_limits *limits, struct err *err) {
    rules_cancel(slot);
    return rules_new(&slot->next, bundle, limits, err);
}

// The VM that the live generation has of a part, if it is of any use.
static struct rules_vm **find_twin(struct rules *live, const struct rules_part *part) {
    for (size_t i = 0; i < live->parts.count; i++)
        if (rules_part_same(&live->parts.list[i], part) && live->vms[i] &&
            rules_vm_works(live->vms[i]))
            return &live->vms[i];
    return NULL;
}

bool rules_offer(struct rules_slot *slot, struct rules *made) {
    for (size_t i = 0; i < made->parts.count; i++)
        if (!made->vms[i] && (!slot->live || !find_twin(slot->live, &made->parts.list[i])))
            return false;
    rules_cancel(slot);
    slot->next = made;
    return true;
}

static void take_over(struct rules *next, struct rules *live) {
    for (size_t i = 0; i < next->parts.count; i++) {
        if (next->vms[i])
            continue;
        struct rules_vm **twin = find_twin(live, &next->parts.list[i]);
        assert(twin);
        next->vms[i] = *twin;
        *twin = NULL;
        rules_vm_move(next->vms[i], next->bundle);
    }
}

struct rules *rules_exchange(struct rules_slot *slot) {
    assert(slot->next);
    struct rules *old = slot->live;
    if (old)
        take_over(slot->next, old);
    slot->live = slot->next;
    slot->next = NULL;
    return old;
}

void rules_commit(struct rules_slot *slot) {
    struct rules *old = rules_exchange(slot);
    if (old)
        rules_free(old);
}

void rules_cancel(struct rules_slot *slot) {
    if (slot->next)
        rules_free(slot->next);
    slot->next = NULL;
}

void rules_slot_free(struct rules_slot *slot) {
    rules_cancel(slot);
    if (slot->live)
        rules_free(slot->live);
    slot->live = NULL;
}
