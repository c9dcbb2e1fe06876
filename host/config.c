#include "config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum kind { TEXT, SECRET, WORD, JWT_KEY, NUMBER, URL, BASE_URL, DATABASE, ORIGINS, LEVEL, ADDRESS };

struct setting {
    const char *name;
    enum kind kind;
    const char *fallback; // NULL: not set
    long min, max;        // of a NUMBER
    const char *meaning;
};

static const struct setting SETTINGS[] = {
    {"DATABASE_URL", DATABASE, NULL, 0, 0, "PostgreSQL connection string"},
    {"JWT_SECRET", JWT_KEY, NULL, 0, 0, "key of HS256 tokens, 32 bytes or more"},
    {"JWKS_URL", URL, NULL, 0, 0, "where the public keys of RS256, ES256, EdDSA tokens are"},
    {"JWT_AUDIENCE", TEXT, NULL, 0, 0, "what aud must hold, if set"},
    {"JWT_ISSUER", TEXT, NULL, 0, 0, "what iss must be, if set"},
    {"DAPR_HTTP_ENDPOINT", URL, NULL, 0, 0, "the sidecar, instead of DAPR_HTTP_PORT"},
    {"DAPR_HTTP_PORT", NUMBER, NULL, 1, 65535, "the sidecar's port on this machine, else 3500"},
    {"DAPR_API_TOKEN", SECRET, NULL, 0, 0, "sent to the sidecar"},
    {"APP_API_TOKEN", SECRET, NULL, 0, 0, "expected from the sidecar"},
    {"SIDECAR_PORT", NUMBER, NULL, 1, 60000,
     "first port of the stand-in sidecar, when neither of the two above is set"},
    {"SIDECAR_APPS", TEXT, NULL, 0, 0,
     "the stand-in's apps, id=app_port:sidecar_port by comma; default: those of this process"},
    {"SIDECAR_CONFIG", TEXT, NULL, 0, 0, "JSON file with the stand-in's components"},
    {"SECRET_STORE", TEXT, NULL, 0, 0,
     "a Dapr secret store that holds settings: STORE, or STORE/SECRET"},
    {"CORS_ORIGINS", ORIGINS, NULL, 0, 0, "origins whose pages may read answers, by comma; or *"},
    {"NOTIFY_EMAIL", TEXT, NULL, 0, 0, "output binding that sends mail; unset: no mail"},
    {"NOTIFY_WEBHOOK", TEXT, NULL, 0, 0, "output binding that posts notices; unset: none"},
    {"OUTBOX_MAX_MB", NUMBER, "1024", 1, 1000000, "unpublished events, above which writes get 503"},
    {"OPENAI_BASE_URL", BASE_URL, NULL, 0, 0,
     "an OpenAI-compatible server whose model answers in the chat; unset: none does"},
    {"OPENAI_API_KEY", WORD, NULL, 0, 0, "its key, if it wants one"},
    {"OPENAI_MODEL", WORD, "gpt-4o-mini", 0, 0, "its model"},
    {"OPENAI_WAIT_MS", NUMBER, "2500", 100, 60000,
     "how long the chat waits for the model to begin an answer"},
    {"OPENAI_MAX_TOKENS", NUMBER, "2000", 0, 1000000,
     "tokens of one answer of the model at most, its thinking included; 0: no limit is sent"},
    {"WORKERS", NUMBER, "1", 1, 64, "threads per service"},
    {"LOG_LEVEL", LEVEL, "info", 0, 0, "debug, info, warn or error"},
    {"PORT", NUMBER, "8000", 1, 60000, "first port: a service declared at 8000 + n is at PORT + n"},
    {"BIND_ADDRESS", ADDRESS, "0.0.0.0", 0, 0, "IP address of the ports for users"},
    {"SCRIPTS_DIR", TEXT, "scripts", 0, 0, "folder of the services"},
    {"RELOAD_LOOK_MS", NUMBER, "10000", 100, 3600000,
     "how often the scripts are looked at, for what is not heard"},
    {"RULES_DIR", TEXT, NULL, 0, 0, "folder of the business rules; unset: SCRIPTS_DIR/rules"},
    {"STATE_DIR", TEXT, NULL, 0, 0, "folder for the last good copies of the rules; unset: none"},
    {"RULES_SHADOW_DIR", TEXT, NULL, 0, 0,
     "folder of candidate rules that run beside the live ones and decide nothing"},
    {"RULES_CPU_FACTOR", NUMBER, "1", 1, 100,
     "times the CPU time that rules get, for a slow or an emulated processor"},
    {"RULES_SHADOW_RATE", NUMBER, "20", 1, 1000, "calls a second that a worker gives them"},
    {"WEB_DIR", TEXT, "web", 0, 0, "folder of the page"},
    {"AUTH_TOKEN_URL", URL, NULL, 0, 0,
     "where the page gets a token by the user's cookies, as JSON {\"token\": …}"},
    {"AUTH_SIGN_IN_URL", URL, NULL, 0, 0, "where the page sends who is not signed in there"},
    {"AUTH_LOCAL", NUMBER, "0", 0, 1,
     "1: the page's address with a token was printed at the start"},
    {"DB_CONNECTIONS", NUMBER, "4", 1, 64, "database connections per worker"},
    {"MAX_CONNECTIONS", NUMBER, "12000", 16, 100000, "open connections per worker and port"},
    {"MAX_REQUESTS", NUMBER, "1024", 8, 100000, "requests in progress per worker"},
    {"USER_RATE", NUMBER, "500", 1, 1000000, "requests a second of one user, per worker"},
    {"DRAIN_MS", NUMBER, "5000", 0, 20000, "how long to go on serving after SIGTERM"},
};

// What says where the sidecar, its store and this program's files are cannot come from the store.
static const char *const ENVIRONMENT_ONLY[] = {
    "DAPR_HTTP_ENDPOINT", "DAPR_HTTP_PORT",   "DAPR_API_TOKEN", "SIDECAR_PORT", "SIDECAR_APPS",
    "SIDECAR_CONFIG",     "SECRET_STORE",     "PORT",           "BIND_ADDRESS", "SCRIPTS_DIR",
    "RULES_DIR",          "RULES_SHADOW_DIR", "STATE_DIR",      "WEB_DIR"};

enum { COUNT = sizeof SETTINGS / sizeof *SETTINGS };

struct config {
    char *values[COUNT];
};

static int index_of(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (strcmp(SETTINGS[i].name, name) == 0)
            return i;
    return -1;
}

// Checks of one kind each; the message ends the sentence "NAME …" and never shows a secret.

static const char *check_number(const struct setting *setting, const char *value) {
    size_t digits = strspn(value, "0123456789");
    long number = strtol(value, NULL, 10);
    if (value[digits] || digits == 0 || digits > 9 || number < setting->min ||
        number > setting->max)
        return "must be a whole number";
    return NULL;
}

static const char *check_url(const char *value) {
    const char *rest = strncmp(value, "http://", 7) == 0    ? value + 7
                       : strncmp(value, "https://", 8) == 0 ? value + 8
                                                            : NULL;
    if (!rest || strchr("/:?#@", *rest)) // matches the end as well
        return "must be a URL that begins with http:// or https:// and names a host";
    for (; *rest; rest++)
        if (!isgraph((unsigned char)*rest))
            return "must be a URL without spaces";
    return NULL;
}

// What is appended to it must become its path.
static const char *check_base_url(const char *value) {
    const char *why = check_url(value);
    if (!why && strpbrk(value, "?#@"))
        why = "must be a URL without user, query and fragment";
    return why;
}

// Goes into a header or a JSON document as it is.
static const char *check_word(const char *value) {
    for (; *value; value++)
        if (!isgraph((unsigned char)*value))
            return "must be visible ASCII characters without spaces";
    return NULL;
}

static const char *check_database(const char *value) {
    size_t key = strspn(value, "abcdefghijklmnopqrstuvwxyz_ ");
    if (strncmp(value, "postgres://", 11) == 0 || strncmp(value, "postgresql://", 13) == 0 ||
        (key > 0 && value[key] == '='))
        return NULL;
    return "must be a PostgreSQL connection string, such as postgresql://user@host/database";
}

static bool is_repetition(const char *value, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; value[i]; i++)
        if (tolower((unsigned char)value[i]) != word[i % len])
            return false;
    return true;
}

static const char *check_jwt_key(const char *value) {
    static const char *const KNOWN[] = {"secret",
                                        "changeme",
                                        "change-me",
                                        "password",
                                        "default",
                                        "test",
                                        "0123456789",
                                        "1234567890",
                                        "your-secret-key",
                                        "supersecret",
                                        "my-secret-key",
                                        "your-256-bit-secret",
                                        "a-string-secret-at-least-256-bits-long"};
    size_t len = strlen(value);
    bool seen[256] = {false};
    int distinct = 0;
    for (size_t i = 0; i < len; i++) {
        distinct += !seen[(unsigned char)value[i]];
        seen[(unsigned char)value[i]] = true;
    }
    if (len < 32)
        return "is too short: a key of HS256 needs 32 bytes or more";
    if (isspace((unsigned char)value[0]) || isspace((unsigned char)value[len - 1]))
        return "must not begin or end with white space";
    if (distinct < 8)
        return "is too simple: it has fewer than 8 different characters";
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (is_repetition(value, KNOWN[i]))
            return "is a well-known default";
    return NULL;
}

static bool is_origin(const char *text, size_t len) {
    if (len == 1 && text[0] == '*')
        return true;
    size_t scheme = len > 7 && strncmp(text, "http://", 7) == 0    ? 7
                    : len > 8 && strncmp(text, "https://", 8) == 0 ? 8
                                                                   : 0;
    size_t end = len; // of the host
    while (end > scheme && isdigit((unsigned char)text[end - 1]))
        end--;
    if (end > scheme && text[end - 1] == ':' && end < len && len - end <= 5)
        end--;
    else
        end = len;
    bool bracketed = end - scheme > 2 && text[scheme] == '[' && text[end - 1] == ']';
    size_t from = scheme + bracketed, to = end - bracketed;
    for (size_t i = from; i < to; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(bracketed ? ":." : "-._", text[i]))
            return false;
    return scheme > 0 && to > from;
}

static const char *check_origins(const char *value) {
    while (*value) {
        value += strspn(value, " ,");
        size_t len = strcspn(value, " ,");
        if (len > 0 && !is_origin(value, len))
            return "must be a comma list of origins such as https://app.example.com, or *";
        value += len;
    }
    return NULL;
}

static const char *check_address(const char *value) {
    unsigned char space[16];
    if (inet_pton(AF_INET, value, space) == 1 || inet_pton(AF_INET6, value, space) == 1)
        return NULL;
    return "must be an IPv4 or IPv6 address";
}

static const char *check(const struct setting *setting, const char *value) {
    switch (setting->kind) {
    case NUMBER:
        return check_number(setting, value);
    case URL:
        return check_url(value);
    case BASE_URL:
        return check_base_url(value);
    case WORD:
        return check_word(value);
    case DATABASE:
        return check_database(value);
    case JWT_KEY:
        return check_jwt_key(value);
    case ORIGINS:
        return check_origins(value);
    case ADDRESS:
        return check_address(value);
    case LEVEL:
        return log_level_parse(value) >= 0 ? NULL : "must be debug, info, warn or error";
    default:
        return NULL;
    }
}

static int check_needs(const struct config *config, enum config_needs needs, bool asked_store,
                       struct err *err) {
    const char *nor = asked_store ? ", nor in the secret store" : "";
    if ((needs == CONFIG_SERVICE || needs == CONFIG_DATABASE) &&
        !config_string(config, "DATABASE_URL"))
        return err_set(err, "DATABASE_URL is not set%s: a PostgreSQL connection string is needed",
                       nor);
    if (needs == CONFIG_SERVICE && !config_string(config, "JWT_SECRET") &&
        !config_string(config, "JWKS_URL"))
        return err_set(err,
                       "neither JWT_SECRET nor JWKS_URL is set%s: one of them is needed to verify "
                       "tokens",
                       nor);
    if (needs == CONFIG_SERVICE && config_string(config, "AUTH_SIGN_IN_URL") &&
        !config_string(config, "AUTH_TOKEN_URL"))
        return err_set(err, "AUTH_SIGN_IN_URL is set without AUTH_TOKEN_URL%s: the page needs both",
                       nor);
    if (needs == CONFIG_TOKEN && !config_string(config, "JWT_SECRET"))
        return err_set(err, "JWT_SECRET is not set%s: it is needed to sign tokens", nor);
    return 0;
}

static int refuse(const struct setting *setting, const char *why, const char *value, bool stored,
                  struct err *err) {
    const char *from = stored ? " from the secret store" : "";
    if (setting->kind != NUMBER)
        return err_set(err, "%s%s %s", setting->name, from, why);
    if (stored)
        return err_set(err, "%s%s %s from %ld to %ld", setting->name, from, why, setting->min,
                       setting->max);
    return err_set(err, "%s %s from %ld to %ld, not \"%.40s\"", setting->name, why, setting->min,
                   setting->max, value);
}

static int read_setting(struct config *config, int i, char *(*lookup)(const char *name),
                        const struct config_store *store, struct err *err) {
    const struct setting *setting = &SETTINGS[i];
    const char *value = lookup(setting->name);
    bool stored = false;
    if ((!value || !*value) && store && config_may_be_stored(setting->name)) {
        value = store->find(store->user, setting->name);
        stored = value && *value;
    }
    if (!value || !*value)
        value = setting->fallback;
    if (!value)
        return 0;
    const char *why = check(setting, value);
    if (why)
        return refuse(setting, why, value, stored, err);
    config->values[i] = xstrdup(value);
    return 0;
}

int config_load(struct config **out, enum config_needs needs, char *(*lookup)(const char *name),
                const struct config_store *store, struct err *err) {
    struct config *config = xcalloc(1, sizeof *config);
    int status = 0;
    for (int i = 0; i < COUNT && status == 0; i++)
        status = read_setting(config, i, lookup, store, err);
    if (status == 0)
        status = check_needs(config, needs, store != NULL, err);
    if (status != 0) {
        config_free(config);
        return -1;
    }
    *out = config;
    return 0;
}

void config_free(struct config *config) {
    for (int i = 0; i < COUNT; i++)
        free(config->values[i]);
    free(config);
}

const char *config_string(const struct config *config, const char *name) {
    int i = index_of(name);
    assert(i >= 0);
    return config->values[i];
}

long config_number(const struct config *config, const char *name) {
    const char *value = config_string(config, name);
    assert(value);
    return strtol(value, NULL, 10);
}

const char *config_find(const struct config *config, const char *name) {
    int i = index_of(name);
    return i < 0 ? NULL : config->values[i];
}

bool config_may_be_stored(const char *name) {
    for (size_t i = 0; i < sizeof ENVIRONMENT_ONLY / sizeof *ENVIRONMENT_ONLY; i++)
        if (strcmp(ENVIRONMENT_ONLY[i], name) == 0)
            return false;
    return index_of(name) >= 0;
}

void config_print_help(FILE *out) {
    for (int i = 0; i < COUNT; i++)
        fprintf(out, "%s %-20s %s%s%s%s\n", config_may_be_stored(SETTINGS[i].name) ? "  " : " *",
                SETTINGS[i].name, SETTINGS[i].meaning, SETTINGS[i].fallback ? " (default " : "",
                SETTINGS[i].fallback ? SETTINGS[i].fallback : "", SETTINGS[i].fallback ? ")" : "");
}
