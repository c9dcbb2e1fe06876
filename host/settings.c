#include "settings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "secrets.h"

void settings_find_folder(const char *name, const char *folder, const char *file) {
    char path[PATH_MAX], program[PATH_MAX];
    if (getenv(name))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (access(path, R_OK) == 0)
        return;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return;
    program[len] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(program, '/');
        if (!slash)
            return;
        *slash = 0;
    }
    struct buf full = {0};
    buf_addf(&full, "%s/%s", program, folder);
    setenv(name, full.data, 0);
    buf_free(&full);
}

static bool has_store(void) {
    const char *store = getenv("SECRET_STORE");
    return store && *store;
}

void settings_find_in_data(const char *name, const char *other, const char *file_name) {
    const char *data = getenv("DATA_DIR"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (getenv(name) || (other && getenv(other)) || has_store())
        return;
    struct buf path = {0};
    if (data && *data)
        buf_addf(&path, "%s/%s", data, file_name);
    else if (xdg && *xdg)
        buf_addf(&path, "%s/todo-chatbot/%s", xdg, file_name);
    else
        buf_addf(&path, "%s/.local/share/todo-chatbot/%s", home ? home : "", file_name);
    char value[512];
    FILE *file = fopen(path.data, "r");
    if (file && fgets(value, sizeof value, file)) {
        value[strcspn(value, "\r\n")] = 0;
        setenv(name, value, 1);
    }
    if (file)
        fclose(file);
    buf_free(&path);
}

// The stand-in sidecar starts when the settings are known: they cannot come from it.
static bool is_own_sidecar(const struct config *environment) {
    return config_string(environment, "SIDECAR_PORT") &&
           !config_string(environment, "DAPR_HTTP_ENDPOINT") &&
           !config_string(environment, "DAPR_HTTP_PORT");
}

static int load_from_store(struct config **config, enum config_needs needs,
                           const struct config *environment, struct err *err) {
    if (is_own_sidecar(environment))
        return err_set(err, "SECRET_STORE needs a sidecar of its own (DAPR_HTTP_PORT): the "
                            "stand-in at SIDECAR_PORT starts after the settings are read");
    struct secrets *secrets;
    log_set_level((enum log_level)log_level_parse(config_string(environment, "LOG_LEVEL")));
    if (secrets_fetch(&secrets, environment, err) != 0)
        return -1;
    const struct config_store store = {secrets_find, secrets};
    int status = config_load(config, needs, getenv, &store, err);
    secrets_free(secrets);
    return status;
}

int settings_load(struct config **out, enum config_needs needs, struct err *err) {
    bool stored = needs != CONFIG_NOTHING && has_store();
    struct config *config, *environment;
    int status = config_load(&environment, stored ? CONFIG_NOTHING : needs, getenv, NULL, err);
    config = environment;
    if (status == 0 && stored) {
        status = load_from_store(&config, needs, environment, err);
        config_free(environment);
    }
    if (status == 0)
        *out = config;
    return status;
}
