#include "services.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "listen.h"

enum { FIRST_PORT = 8000 };

static int by_port(const void *a, const void *b) {
    return ((const struct script_service *)a)->port - ((const struct script_service *)b)->port;
}

static int read_scripts(const struct config *config, struct services *services, struct err *err) {
    return bundle_read(&services->scripts, config_string(config, "SCRIPTS_DIR"), &SCRIPT_LIMITS,
                       err);
}

static int add_service(const struct config *config, struct services *services, const char *name,
                       struct err *err) {
    if (services->count == MAX_SERVICES)
        return err_set(err, "more than %d services", MAX_SERVICES);
    return script_examine(config, services->scripts, NULL, name, &services->list[services->count++],
                          NULL, err);
}

// lib/service.lua is what opens services.
int services_find_all(const struct config *config, struct services *services, struct err *err) {
    if (read_scripts(config, services, err) != 0)
        return -1;
    for (size_t i = 0; i < bundle_count(services->scripts); i++) {
        char name[64];
        const char *path = bundle_path(services->scripts, i);
        size_t len = strcspn(path, "/");
        if (strcmp(path + len, "/service.lua") != 0 || len >= sizeof name ||
            strncmp(path, "lib/", 4) == 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        if (add_service(config, services, name, err) != 0)
            return -1;
    }
    qsort(services->list, (size_t)services->count, sizeof *services->list, by_port);
    return 0;
}

int services_find_named(const struct config *config, char *const *names, int count,
                        struct services *services, struct err *err) {
    if (read_scripts(config, services, err) != 0)
        return -1;
    for (int i = 0; i < count; i++) {
        struct buf path = {0};
        size_t len;
        buf_addf(&path, "%s/service.lua", names[i]);
        bool there = bundle_find(services->scripts, path.data, &len) != NULL;
        buf_free(&path);
        if (!there || strcmp(names[i], "lib") == 0)
            return err_set(err, "there is no service %s in %s", names[i],
                           config_string(config, "SCRIPTS_DIR"));
        if (add_service(config, services, names[i], err) != 0)
            return -1;
    }
    return 0;
}

void services_release(struct services *services) {
    bundle_release(services->scripts);
    rules_bundle_unref(services->rules);
}

int services_port(const struct config *config, int port) {
    return port == 0 ? 0 : port - FIRST_PORT + (int)config_number(config, "PORT");
}

int services_check_ports(const struct config *config, const struct services *services,
                         struct err *err) {
    const char *address = config_string(config, "BIND_ADDRESS");
    for (int i = 0; i < services->count; i++) {
        int port = services_port(config, services->list[i].port);
        int inner = services_port(config, services->list[i].inner_port);
        if (!listen_is_free(address, port, err) ||
            (inner && !listen_is_free("127.0.0.1", inner, err)))
            return -1;
    }
    return 0;
}
