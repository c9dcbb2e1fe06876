#include "run.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "descriptors.h"
#include "log.h"
#include "memory.h"
#include "reload.h"
#include "revision.h"
#include "rollback.h"
#include "rules.h"
#include "rules_first.h"
#include "shadow.h"
#include "watchdog.h"
#include "worker.h"

enum { MAX_WORKERS = 256 };
enum { WORKER_DESCRIPTORS = 24 }; // of its loop, its listeners, and calls under way
enum { SECOND_SIGNAL_MS = 500 };

struct crew {
    struct api_service services[MAX_SERVICES];
    struct worker *workers[MAX_WORKERS];
    struct watchdog dogs[MAX_WORKERS];
    int service_of[MAX_WORKERS];
    int count;
};

static int workers_of(const struct config *config, const struct services *services, int s) {
    int own = services->list[s].workers;
    return own ? own : (int)config_number(config, "WORKERS");
}

// As many as there are descriptors for: those of the database, of calls, of the loop come first.
static unsigned share_connections(const struct config *config, int workers) {
    unsigned wanted = (unsigned)config_number(config, "MAX_CONNECTIONS");
    int own = (int)config_number(config, "DB_CONNECTIONS") + WORKER_DESCRIPTORS;
    unsigned most = descriptors_share(wanted, workers, own);
    char number[16];
    snprintf(number, sizeof number, "%u", most);
    if (most < wanted)
        log_event(LOG_WARN, "the limit of descriptors allows fewer connections",
                  "connections_per_port", number, NULL);
    return most;
}

static int start_workers(const struct config *config, const struct services *services,
                         struct crew *crew, struct err *err) {
    for (int s = 0; s < services->count; s++)
        crew->services[s] = (struct api_service){
            .name = services->list[s].name,
            .port = services_port(config, services->list[s].port),
            .inner_port = services_port(config, services->list[s].inner_port),
        };
    int workers = 0;
    for (int s = 0; s < services->count; s++)
        workers += workers_of(config, services, s);
    unsigned connections = share_connections(config, workers);
    // The last by port first: what serves the others there must not be missed by them.
    for (int s = services->count - 1; s >= 0; s--) {
        int per_service = workers_of(config, services, s);
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
                .max_connections = connections,
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
        struct watchdog_sight sight = {.now_ns = uv_hrtime()};
        worker_sight(crew->workers[i], &sight);
        enum watchdog_finding found = watchdog_look(&crew->dogs[i], &sight);
        if (found == WATCHDOG_WELL)
            continue;
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        if (found == WATCHDOG_STUCK) {
            log_event(LOG_ERROR, "a worker's loop is stuck", "index", number, NULL);
            worker_interrupt(crew->workers[i], SIGUSR1);
        } else {
            log_event(LOG_ERROR, "a worker's loop stays stuck: giving up", "index", number, NULL);
            abort();
        }
    }
}

static void supervise(struct crew *crew, struct reload *reload, const sigset_t *signals) {
    struct timespec wait = {0, WATCHDOG_LOOK_MS * 1000000L};
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
        memory_look();
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

int run_services(const struct config *config, struct services *services, struct err *err) {
    struct crew *crew = xcalloc(1, sizeof *crew);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before the workers' threads are made
    descriptors_raise();
    catch_stack_signal();
    struct reload *reload = NULL;
    revision_init();
    shadow_init(config_string(config, "RULES_SHADOW_DIR"));
    int status = memory_init(config_string(config, "MEMORY_CGROUP"), err);
    if (status == 0)
        status = services_check_ports(config, services, err);
    revision_loaded(REVISION_SCRIPTS, bundle_revision(services->scripts), "loaded", NULL);
    if (status == 0)
        status = rules_first_read(config, services->scripts, services->list, services->count,
                                  &services->rules, services->rules_refused, err);
    if (status == 0)
        status = start_workers(config, services, crew, err);
    if (status == 0)
        status = start_reload(config, services, crew, &reload, err);
    if (status != 0) {
        drain_all(crew);
        return -1;
    }
    log_event(LOG_INFO, "started", "version", TODO_VERSION, NULL);
    supervise(crew, reload, &signals);
    log_event(LOG_INFO, "stopped", NULL);
    reload_join(reload);
    for (int i = 0; i < crew->count; i++)
        worker_join(crew->workers[i]);
    rollback_close();
    shadow_deinit();
    revision_deinit();
    free(crew);
    return 0;
}
