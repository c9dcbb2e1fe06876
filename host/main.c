// The command line.
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "command.h"
#include "config.h"
#include "db.h"
#include "log.h"
#include "rules.h"
#include "run.h"
#include "services.h"
#include "settings.h"

static int fail(const char *format, const char *text) {
    fprintf(stderr, "todo-host: ");
    fprintf(stderr, format, text);
    fputc('\n', stderr);
    return 1;
}

static int usage_error(const char *format, const char *word) {
    fail(format, word);
    return 2;
}

static void print_help(void) {
    printf(
        "usage: todo-host COMMAND\n\n"
        "  run SERVICE… | --all   run services in this process\n"
        "  migrate                bring the database's tables up to date\n"
        "  token USER             print a token for trying things\n"
        "  services               list the services: name, port, inner port\n"
        "  outbox list            events that could not be published and were set aside\n"
        "  outbox retry ID… | --all   publish them again\n"
        "  outbox drop ID… | --all    forget them\n"
        "  dead list              events that could not be handled and were set aside\n"
        "  dead drop ID… | --all  forget them\n"
        "                         an ID is SCHEMA:NUMBER, as list shows it; with --all or list,\n"
        "                         --schema SCHEMA takes one alone; list has --limit N (100)\n"
        "                         and --json\n"
        "  rules check [DIR]      whether a folder of business rules may be applied\n"
        "  rules try NAME [--rules DIR]   what a rule decides of the JSON on standard input, and "
        "why\n"
        "  rules diff OLD NEW [NAME]      where two folders decide differently: calls on standard "
        "input\n"
        "  rules events [--since 1d] [--rule NAME] [--limit N]   such calls, from the database\n"
        "  rules events --examples [DIR] [--rule NAME]           such calls, from the examples\n"
        "  rules history          what the running services have had of rules\n"
        "  rules rollback [REVISION]      back to the last good ones, or to these\n"
        "  --help, --version\n\n"
        "Settings are environment variables. All but those marked * may be in the Dapr secret "
        "store\n"
        "that SECRET_STORE names instead: in STORE each as a secret of its own, in STORE/SECRET "
        "as\n"
        "the keys of one secret. Not with the stand-in sidecar of the same process "
        "(SIDECAR_PORT).\n\n");
    config_print_help(stdout);
}

static struct config *load_config(enum config_needs needs) {
    struct config *config;
    struct err err;
    if (settings_load(&config, needs, &err) == 0) {
        rules_set_cpu_factor((unsigned)config_number(config, "RULES_CPU_FACTOR"));
        return config;
    }
    fail("%s", err.text);
    return NULL;
}

// OpenSSL 3.0 crashes when its first allocations fail, and gives wrong digests after later ones.

static void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return size > 0 ? xmalloc(size) : NULL;
}

static void crypto_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

static void *crypto_realloc(void *memory, size_t size, const char *file, int line) {
    if (size > 0)
        return xrealloc(memory, size);
    crypto_free(memory, file, line);
    return NULL;
}

static int command_run(int count, char **words) {
    bool all = count == 1 && strcmp(words[0], "--all") == 0;
    if (count == 0)
        return usage_error("run needs the name of a service, or %s", "--all");
    for (int i = 0; i < count && !all; i++)
        if (words[i][0] == '-')
            return usage_error("unknown flag %s", words[i]);
    struct config *config = load_config(CONFIG_SERVICE);
    if (!config)
        return 1;
    log_set_level((enum log_level)log_level_parse(config_string(config, "LOG_LEVEL")));
    struct services services = {0};
    struct err err;
    int status = all ? services_find_all(config, &services, &err)
                     : services_find_named(config, words, count, &services, &err);
    if (status == 0 && services.count == 0)
        status = err_set(&err, "no service in %s", config_string(config, "SCRIPTS_DIR"));
    if (status == 0 && run_services(config, &services, &err) != 0)
        _exit(fail("%s", err.text));
    if (status != 0)
        fail("%s", err.text);
    services_release(&services);
    config_free(config);
    return status == 0 ? 0 : 1;
}

static int command_migrate(int count, char **words) {
    if (count > 0)
        return usage_error("migrate takes no word, not %s", words[0]);
    struct config *config = load_config(CONFIG_DATABASE);
    if (!config)
        return 1;
    struct err err;
    struct buf folder = {0};
    buf_addf(&folder, "%s/sql", config_string(config, "SCRIPTS_DIR"));
    int status = db_migrate(config_string(config, "DATABASE_URL"), folder.data, &err);
    buf_free(&folder);
    config_free(config);
    return status == 0 ? 0 : fail("migrate: %s", err.text);
}

static int command_services(int count, char **words) {
    if (count > 0)
        return usage_error("services takes no word, not %s", words[0]);
    struct config *config = load_config(CONFIG_NOTHING);
    if (!config)
        return 1;
    struct services services = {0};
    struct err err;
    if (services_find_all(config, &services, &err) != 0) {
        services_release(&services);
        config_free(config);
        return fail("%s", err.text);
    }
    for (int i = 0; i < services.count; i++)
        printf("%s %d %d\n", services.list[i].name, services_port(config, services.list[i].port),
               services_port(config, services.list[i].inner_port));
    services_release(&services);
    config_free(config);
    return 0;
}

// Commands whose meaning is the scripts': lib/commands.lua.

// What the scripts know how to do. It answers with what it prints, and does not log but for debug.
static int execute(const struct config *config, const char *name, enum config_needs needs,
                   const struct api_service *services, int service_count, int count, char **words) {
    int level = log_level_parse(config_string(config, "LOG_LEVEL"));
    log_set_level(level == LOG_DEBUG ? LOG_DEBUG : LOG_NONE);
    struct buf out = {0};
    struct err err;
    const struct command_options options = {.name = name,
                                            .words = words,
                                            .count = count,
                                            .needs_database = needs == CONFIG_DATABASE,
                                            .services = services,
                                            .service_count = service_count};
    int status = (int)command_execute(config, &options, &out, &err);
    if (out.len > 0)
        printf("%s\n", out.data);
    if (err.text[0])
        fail("%s", err.text);
    buf_free(&out);
    return status;
}

static int script_command(const char *name, enum config_needs needs, int count, char **words) {
    struct config *config = load_config(needs);
    if (!config)
        return 1;
    int status = execute(config, name, needs, NULL, 0, count, words);
    config_free(config);
    return status;
}

static int command_token(int count, char **words) {
    if (count != 1 || words[0][0] == '-')
        return usage_error("%s", "token takes one word: the user");
    settings_find_in_data("JWT_SECRET", "JWKS_URL", "secret");
    return script_command("token", CONFIG_TOKEN, count, words);
}

static int command_failpoints(int count, char **words) {
    if (count > 0)
        return usage_error("failpoints takes no word, not %s", words[0]);
    return script_command("failpoints", CONFIG_NOTHING, count, words);
}

static int command_outbox(int count, char **words) {
    settings_find_in_data("DATABASE_URL", NULL, "database");
    return script_command("outbox", CONFIG_DATABASE, count, words);
}

static int command_dead(int count, char **words) {
    settings_find_in_data("DATABASE_URL", NULL, "database");
    return script_command("dead", CONFIG_DATABASE, count, words);
}

static int with_services(int count, char **words) {
    struct config *config = load_config(CONFIG_NOTHING);
    struct services services = {0};
    struct api_service found[MAX_SERVICES];
    struct err err;
    if (!config)
        return 1;
    int status = services_find_all(config, &services, &err) == 0 ? 0 : fail("%s", err.text);
    for (int i = 0; i < services.count; i++)
        found[i] = (struct api_service){services.list[i].name,
                                        services_port(config, services.list[i].port),
                                        services_port(config, services.list[i].inner_port)};
    if (status == 0)
        status = execute(config, "rules", CONFIG_NOTHING, found, services.count, count, words);
    services_release(&services);
    config_free(config);
    return status;
}

static bool has_word(int count, char **words, const char *word) {
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

// The database is asked for events alone, and running services for their history.
static int command_rules(int count, char **words) {
    const char *verb = count > 0 ? words[0] : "";
    if (strcmp(verb, "history") == 0 || strcmp(verb, "rollback") == 0)
        return with_services(count, words);
    if (strcmp(verb, "events") != 0 || has_word(count, words, "--examples"))
        return script_command("rules", CONFIG_NOTHING, count, words);
    settings_find_in_data("DATABASE_URL", NULL, "database");
    return script_command("rules", CONFIG_DATABASE, count, words);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int count, char **words);
    } COMMANDS[] = {{"run", command_run},       {"migrate", command_migrate},
                    {"token", command_token},   {"services", command_services},
                    {"outbox", command_outbox}, {"dead", command_dead},
                    {"rules", command_rules},   {"failpoints", command_failpoints}};
    if (argc < 2)
        return usage_error("a command is missing; see todo-host %s", "--help");
    signal(SIGPIPE, SIG_IGN);
    uv_replace_allocator(xmalloc, xrealloc, xcalloc, free);
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
        return fail("%s", "OpenSSL does not take the allocator");
    settings_find_folder("SCRIPTS_DIR", "scripts", "lib/service.lua");
    settings_find_folder("WEB_DIR", "web", "index.html");
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("todo-host %s\n", TODO_VERSION);
        return 0;
    }
    return usage_error(argv[1][0] == '-' ? "unknown flag %s" : "unknown command %s", argv[1]);
}
