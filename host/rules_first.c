#include "rules_first.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "revision.h"
#include "rollback.h"
#include "rules.h"
#include "rules_store.h"

char *rules_first_folder(const struct config *config) {
    const char *folder = config_string(config, "RULES_DIR");
    struct buf path = {0};
    if (folder)
        buf_adds(&path, folder);
    else
        buf_addf(&path, "%s/rules", config_string(config, "SCRIPTS_DIR"));
    return path.data;
}

int rules_first_try(const struct config *config, struct bundle *scripts,
                    const struct script_service *services, int count, struct rules_bundle *rules,
                    struct err *err) {
    int status = rules_compile(rules, NULL, err);
    for (int i = 0; status == 0 && i < count; i++) {
        struct rules_limits limits = rules_usual_limits();
        struct rules *made;
        if (!services[i].asks_rules)
            continue;
        limits.only = services[i].rules[0] ? services[i].rules : NULL;
        status = rules_new(&made, rules, &limits, err);
        if (status != 0)
            break;
        status = script_try_rules(config, scripts, &services[i], made, err);
        rules_free(made);
    }
    return status;
}

struct search {
    const struct config *config;
    struct bundle *scripts;
    const struct script_service *services;
    int count;
    struct rules_bundle *found;
};

static bool take(void *user, struct rules_bundle *bundle) {
    struct search *search = user;
    struct err err;
    if (rules_first_try(search->config, search->scripts, search->services, search->count, bundle,
                        &err) != 0) {
        log_event(LOG_WARN, "a copy of the rules is passed over", "revision",
                  rules_bundle_revision(bundle), "error", err.text, NULL);
        return false;
    }
    search->found = rules_bundle_ref(bundle);
    return true;
}

static bool find_copy(struct search *search) {
    const char *state_folder = config_string(search->config, "STATE_DIR");
    return state_folder && rules_store_find(state_folder, take, search);
}

// Of rules that are good for nothing.
static int use_copy(struct search *search, struct err *err) {
    if (!find_copy(search))
        return -1;
    const char *revision = rules_bundle_revision(search->found);
    err_one_line(err);
    log_event(LOG_ERROR, "the rules cannot be used: the last good copy of them serves", "error",
              err->text, "revision", revision, NULL);
    revision_loaded(REVISION_RULES, revision, "kept", err->text);
    return 0;
}

// Of rules that were taken back. These can be had again: rollback.h.
static void avoid(struct search *search, struct rules_bundle *banned, const struct err *why) {
    const char *bad = rules_bundle_revision(banned);
    if (find_copy(search)) {
        const char *revision = rules_bundle_revision(search->found);
        log_event(LOG_ERROR, "the rules were taken back before: the last good copy serves", "error",
                  why->text, "revision", revision, NULL);
        revision_returned(REVISION_RULES, revision, bad, why->text);
        rollback_keep(banned, true);
        return;
    }
    log_event(LOG_ERROR, "the rules were taken back before, but there are no others", "error",
              why->text, "revision", bad, NULL);
    revision_loaded(REVISION_RULES, bad, "loaded", why->text);
    search->found = rules_bundle_ref(banned);
}

int rules_first_read(const struct config *config, struct bundle *scripts,
                     const struct script_service *services, int count, struct rules_bundle **rules,
                     char refused[BUNDLE_REVISION], struct err *err) {
    const char *state_folder = config_string(config, "STATE_DIR");
    char *folder = rules_first_folder(config);
    bool none = !config_string(config, "RULES_DIR") && access(folder, F_OK) != 0;
    struct rules_bundle *read = NULL;
    struct search search = {config, scripts, services, count, NULL};
    struct err why;
    refused[0] = 0;
    int status = none ? 0 : rules_bundle_read(&read, folder, err);
    free(folder);
    // Without copies the start of the services finds the rest of what is wrong.
    if (read && !state_folder)
        status = rules_compile(read, NULL, err);
    else if (read)
        status = rules_first_try(config, scripts, services, count, read, err);
    if (status != 0) {
        status = use_copy(&search, err);
    } else if (read && state_folder &&
               rules_store_is_banned(state_folder, rules_bundle_revision(read), &why)) {
        avoid(&search, read, &why);
    } else if (read) {
        search.found = rules_bundle_ref(read);
        revision_loaded(REVISION_RULES, rules_bundle_revision(read), "loaded", NULL);
    }
    if (read && search.found &&
        strcmp(rules_bundle_revision(read), rules_bundle_revision(search.found)) != 0)
        snprintf(refused, BUNDLE_REVISION, "%s", rules_bundle_revision(read));
    rules_bundle_unref(read);
    *rules = search.found;
    return status;
}
