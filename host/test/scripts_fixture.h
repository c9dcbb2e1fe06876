// For tests of what loads scripts: a folder of services without the library of the real ones. One
// at a time.
#pragma once

#include "file_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "bundle.h"
#include "config.h"
#include "script.h"

static char scripts_folder[64];

static inline void scripts_write(const char *name, const char *text) {
    file_write(scripts_folder, name, text, strlen(text));
}

static inline void scripts_make_folder(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", scripts_folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static inline void scripts_open(void) {
    strcpy(scripts_folder, "/tmp/todo-scripts-XXXXXX");
    assert_non_null(mkdtemp(scripts_folder));
    scripts_make_folder("lib");
    scripts_write("lib/service.lua",
                  "return { open = function(name) return require(name .. \".service\") end }");
    scripts_write("lib/rule_examples.lua", "return { run_all = function() return true end }");
}

static inline int scripts_close(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", scripts_folder);
    return system(command);
}

static inline struct bundle *scripts_read(void) {
    struct bundle *bundle;
    struct err err;
    if (bundle_read(&bundle, scripts_folder, &SCRIPT_LIMITS, &err) != 0)
        fail_msg("%s", err.text);
    return bundle;
}

struct scripts_setting {
    const char *name, *value;
};

static const struct scripts_setting *scripts_settings; // until one without a name

static inline char *scripts_lookup(const char *name) {
    for (const struct scripts_setting *one = scripts_settings; one && one->name; one++)
        if (strcmp(one->name, name) == 0)
            return (char *)(uintptr_t)one->value;
    return NULL;
}

static inline struct config *scripts_config(const struct scripts_setting *settings) {
    struct config *config;
    struct err err;
    scripts_settings = settings;
    if (config_load(&config, CONFIG_NOTHING, scripts_lookup, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return config;
}
