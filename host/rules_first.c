#include "rules_first.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "revision.h"
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
    int status = rules_compile(rules, err);
    for (int i = 0; status == 0 && i < count; i++) {
        struct rules_limits limits = RULES_LIMITS;
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

int rules_first_read(const struct config *config, struct bundle *scripts,
                     const struct script_service *services, int count, struct rules_bundle **rules,
                     char refused[BUNDLE_REVISION], struct err *err) {
    const char *state_folder = config_string(config, "STATE_DIR");
    char *folder = rules_first_folder(config);
    bool none = !config_string(config, "RULES_DIR") && access(folder, F_OK) != 0;
    struct rules_bundle *read = NULL;
    *rules = NULL;
    refused[0] = 0;
    int status = none ? 0 : rules_bundle_read(&read, folder, err);
    free(folder);
    // Without copies the start of the services finds the rest of what is wrong.
    if (read && !state_folder)
        status = rules_compile(read, err);
    else if (read)
        status = rules_first_try(config, scripts, services, count, read, err);
    if (status == 0) {
        *rules = read;
        if (read)
            revision_loaded(REVISION_RULES, rules_bundle_revision(read), "loaded", NULL);
        return 0;
    }
    if (read)
        snprintf(refused, BUNDLE_REVISION, "%s", rules_bundle_revision(read));
    rules_bundle_unref(read);
    struct search search = {config, scripts, services, count, NULL};
    if (!state_folder || !rules_store_find(state_folder, take, &search))
        return -1;
    err_one_line(err);
    log_event(LOG_ERROR, "the rules cannot be used: the last good copy of them serves", "error",
              err->text, "revision", rules_bundle_revision(search.found), NULL);
    revision_loaded(REVISION_RULES, rules_bundle_revision(search.found), "kept", err->text);
    *rules = search.found;
    return 0;
}
