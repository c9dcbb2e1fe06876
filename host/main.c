// The command line, and the life of the process: start the workers, watch them, stop them.
#include <execinfo.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "command.h"
#include "config.h"
#include "db.h"
#include "listen.h"
#include "log.h"
#include "reload.h"
#include "revision.h"
#include "rollback.h"
#include "rules.h"
#include "rules_first.h"
#include "script.h"
#include "secrets.h"
#include "shadow.h"
#include "worker.h"

enum { MAX_SERVICES = 32, MAX_WORKERS = 256, FIRST_PORT = 8000 };
enum { WATCH_MS = 100, STUCK_WARN_MS = 1000, STUCK_ABORT_MS = 5000, SECOND_SIGNAL_MS = 500 };

struct services {
    struct script_service list[MAX_SERVICES];
    int count;
    struct bundle *scripts;              // that they were read from
    struct rules_bundle *rules;          // NULL: not read, or there are none
    char rules_refused[BUNDLE_REVISION]; // what their folder holds, where they are a copy
};

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

// Where the scripts are when SCRIPTS_DIR does not say: here, or beside the program.
static void find_folder(const char *name, const char *folder, const char *file) {
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

// A command must fit the system of `make run`: some of its settings are in its data folder.
static void find_setting(const char *name, const char *other, const char *file_name) {
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

static struct config *load_config(enum config_needs needs) {
    bool stored = needs != CONFIG_NOTHING && has_store();
    struct config *config, *environment;
    struct err err;
    int status = config_load(&environment, stored ? CONFIG_NOTHING : needs, getenv, NULL, &err);
    config = environment;
    if (status == 0 && stored) {
        status = load_from_store(&config, needs, environment, &err);
        config_free(environment);
    }
    if (status == 0) {
        rules_set_cpu_factor((unsigned)config_number(config, "RULES_CPU_FACTOR"));
        return config;
    }
    fail("%s", err.text);
    return NULL;
}

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

// Those with a service.lua; lib/service.lua is what opens them.
static int find_services(const struct config *config, struct services *services, struct err *err) {
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

static int named_services(const struct config *config, char *const *names, int count,
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

static int shifted(const struct config *config, int port) {
    return port == 0 ? 0 : port - FIRST_PORT + (int)config_number(config, "PORT");
}

static int check_ports(const struct config *config, const struct services *services,
                       struct err *err) {
    const char *address = config_string(config, "BIND_ADDRESS");
    for (int i = 0; i < services->count; i++) {
        int port = shifted(config, services->list[i].port);
        int inner = shifted(config, services->list[i].inner_port);
        if (!listen_is_free(address, port, err) ||
            (inner && !listen_is_free("127.0.0.1", inner, err)))
            return -1;
    }
    return 0;
}

// Many connections need many descriptors; the soft limit is often 1,024.
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

struct crew {
    struct api_service services[MAX_SERVICES];
    struct worker *workers[MAX_WORKERS];
    uint64_t seen[MAX_WORKERS]; // the last heartbeat
    int service_of[MAX_WORKERS];
    int silent[MAX_WORKERS]; // ms without a new one, as counted here: a stopped process counts
                             // nothing
    int count;
};

static int start_workers(const struct config *config, const struct services *services,
                         struct crew *crew, struct err *err) {
    for (int s = 0; s < services->count; s++)
        crew->services[s] = (struct api_service){
            .name = services->list[s].name,
            .port = shifted(config, services->list[s].port),
            .inner_port = shifted(config, services->list[s].inner_port),
        };
    // The last by port first: what serves the others there must not be missed by them.
    for (int s = services->count - 1; s >= 0; s--) {
        int per_service = services->list[s].workers ? services->list[s].workers
                                                    : (int)config_number(config, "WORKERS");
        for (int w = 0; w < per_service && crew->count < MAX_WORKERS; w++) {
            struct worker_options options = {
                .config = config,
                .scripts = services->scripts,
                .rules = services->rules,
                .service = services->list[s].name,
                .index = w,
                .count = per_service,
                .port = crew->services[s].port,
                .inner_port = crew->services[s].inner_port,
                .body_limit = services->list[s].body_limit,
                .large_path = services->list[s].large_path,
                .large_limit = services->list[s].large_limit,
                .nice = services->list[s].nice,
                .services = crew->services,
                .service_count = services->count,
                .started_ms = uv_hrtime() / 1000000,
            };
            if (worker_start(&crew->workers[crew->count], &options, err) != 0)
                return -1;
            crew->service_of[crew->count++] = s;
        }
    }
    return 0;
}

static void drain_all(struct crew *crew) {
    for (int i = 0; i < crew->count; i++)
        worker_drain(crew->workers[i]);
}

static bool all_ended(const struct crew *crew) {
    for (int i = 0; i < crew->count; i++)
        if (!worker_ended(crew->workers[i]))
            return false;
    return true;
}

// What a signal handler may use: a line of the log, by hand.
static void print_rule(const char *rule) {
    static const char BEFORE[] = "{\"level\":\"error\",\"msg\":\"a rule is running\",\"rule\":\"",
                      AFTER[] = "\"}\n";
    char line[256];
    size_t len = sizeof BEFORE - 1;
    memcpy(line, BEFORE, len);
    for (; *rule && len < sizeof line - sizeof AFTER; rule++)
        line[len++] = strchr("\"\\", *rule) || (unsigned char)*rule < ' ' ? '?' : *rule;
    memcpy(line + len, AFTER, sizeof AFTER - 1);
    ssize_t written = write(STDERR_FILENO, line, len + sizeof AFTER - 1);
    (void)written;
}

// Runs in the thread that is stuck, and shows where. The functions are those of the program; of a
// script only that it is one, and of the business rules the one that was called.
static void print_stack(int signal) {
    (void)signal;
    void *frames[64];
    const char *rule = rules_running();
    if (rule)
        print_rule(rule);
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
}

static void catch_stack_signal(void) {
    void *frame;
    backtrace(&frame, 1); // loads what it needs here, not in the handler
    struct sigaction action = {.sa_handler = print_stack, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

static void watch(struct crew *crew) {
    for (int i = 0; i < crew->count; i++) {
        uint64_t beat = worker_heartbeat(crew->workers[i]);
        if (beat == 0 || beat != crew->seen[i]) {
            crew->seen[i] = beat;
            crew->silent[i] = 0;
            continue;
        }
        crew->silent[i] += WATCH_MS;
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        if (crew->silent[i] == STUCK_WARN_MS) {
            log_event(LOG_ERROR, "a worker's loop is stuck", "index", number, NULL);
            worker_interrupt(crew->workers[i], SIGUSR1);
        }
        if (crew->silent[i] >= STUCK_ABORT_MS) {
            log_event(LOG_ERROR, "a worker's loop stays stuck: giving up", "index", number, NULL);
            abort();
        }
    }
}

static void supervise(struct crew *crew, struct reload *reload, const sigset_t *signals) {
    struct timespec wait = {0, WATCH_MS * 1000000L};
    uint64_t told_at = 0;
    while (!all_ended(crew)) {
        int signal = sigtimedwait(signals, NULL, &wait);
        uint64_t now = uv_hrtime() / 1000000;
        if ((signal == SIGINT || signal == SIGTERM) && !told_at) {
            told_at = now;
            log_event(LOG_INFO, "draining", NULL);
            reload_stop(reload);
            drain_all(crew);
        } else if ((signal == SIGINT || signal == SIGTERM) && now > told_at + SECOND_SIGNAL_MS) {
            log_event(LOG_WARN, "second signal: stopping at once", NULL);
            _exit(1);
        } else if (signal == SIGHUP) {
            reload_ask(reload);
        }
        watch(crew);
    }
}

static int start_reload(const struct config *config, const struct services *services,
                        const struct crew *crew, struct reload **reload, struct err *err) {
    const struct reload_options options = {
        .config = config,
        .scripts = services->scripts,
        .rules = services->rules,
        .rules_refused = services->rules_refused,
        .services = services->list,
        .service_count = services->count,
        .workers = crew->workers,
        .service_of = crew->service_of,
        .worker_count = crew->count,
    };
    return reload_start(reload, &options, err);
}

static int run_services(const struct config *config, struct services *services) {
    struct crew *crew = xcalloc(1, sizeof *crew);
    struct err err;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before the workers' threads are made
    raise_descriptor_limit();
    catch_stack_signal();
    struct reload *reload = NULL;
    revision_init();
    shadow_init(config_string(config, "RULES_SHADOW_DIR"));
    int status = check_ports(config, services, &err);
    revision_loaded(REVISION_SCRIPTS, bundle_revision(services->scripts), "loaded", NULL);
    if (status == 0)
        status = rules_first_read(config, services->scripts, services->list, services->count,
                                  &services->rules, services->rules_refused, &err);
    if (status == 0)
        status = start_workers(config, services, crew, &err);
    if (status == 0)
        status = start_reload(config, services, crew, &reload, &err);
    if (status != 0) {
        fail("%s", err.text);
        drain_all(crew);
    } else {
        log_event(LOG_INFO, "started", "version", TODO_VERSION, NULL);
        supervise(crew, reload, &signals);
        log_event(LOG_INFO, "stopped", NULL);
    }
    if (status != 0)
        _exit(1);
    reload_join(reload);
    for (int i = 0; i < crew->count; i++)
        worker_join(crew->workers[i]);
    rollback_close();
    shadow_deinit();
    revision_deinit();
    free(crew);
    return 0;
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
    int status = all ? find_services(config, &services, &err)
                     : named_services(config, words, count, &services, &err);
    if (status == 0 && services.count == 0)
        status = err_set(&err, "no service in %s", config_string(config, "SCRIPTS_DIR"));
    status = status == 0 ? run_services(config, &services) : fail("%s", err.text);
    bundle_release(services.scripts);
    rules_bundle_unref(services.rules);
    config_free(config);
    return status;
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
    if (find_services(config, &services, &err) != 0) {
        bundle_release(services.scripts);
        config_free(config);
        return fail("%s", err.text);
    }
    for (int i = 0; i < services.count; i++)
        printf("%s %d %d\n", services.list[i].name, shifted(config, services.list[i].port),
               shifted(config, services.list[i].inner_port));
    bundle_release(services.scripts);
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
    find_setting("JWT_SECRET", "JWKS_URL", "secret");
    return script_command("token", CONFIG_TOKEN, count, words);
}

static int command_failpoints(int count, char **words) {
    if (count > 0)
        return usage_error("failpoints takes no word, not %s", words[0]);
    return script_command("failpoints", CONFIG_NOTHING, count, words);
}

static int command_outbox(int count, char **words) {
    find_setting("DATABASE_URL", NULL, "database");
    return script_command("outbox", CONFIG_DATABASE, count, words);
}

static int command_dead(int count, char **words) {
    find_setting("DATABASE_URL", NULL, "database");
    return script_command("dead", CONFIG_DATABASE, count, words);
}

static int with_services(int count, char **words) {
    struct config *config = load_config(CONFIG_NOTHING);
    struct services services = {0};
    struct api_service found[MAX_SERVICES];
    struct err err;
    if (!config)
        return 1;
    int status = find_services(config, &services, &err) == 0 ? 0 : fail("%s", err.text);
    for (int i = 0; i < services.count; i++)
        found[i] =
            (struct api_service){services.list[i].name, shifted(config, services.list[i].port),
                                 shifted(config, services.list[i].inner_port)};
    if (status == 0)
        status = execute(config, "rules", CONFIG_NOTHING, found, services.count, count, words);
    bundle_release(services.scripts);
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
    find_setting("DATABASE_URL", NULL, "database");
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
    find_folder("SCRIPTS_DIR", "scripts", "lib/service.lua");
    find_folder("WEB_DIR", "web", "index.html");
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
