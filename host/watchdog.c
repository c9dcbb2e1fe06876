#include "watchdog.h"

// Looks that come late do not count for more than this.
enum { MOST_NS = 2 * WATCHDOG_LOOK_MS * 1000000 };

static uint64_t at_most(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

enum watchdog_finding watchdog_look(struct watchdog *dog, const struct watchdog_sight *sight) {
    uint64_t passed = at_most(sight->now_ns - dog->now_ns, MOST_NS);
    uint64_t ran = at_most(sight->cpu_ns - dog->cpu_ns, passed);
    bool beats = sight->beat == 0 || sight->beat != dog->beat;
    dog->silent_ns = beats ? 0 : dog->silent_ns + (sight->sleeps ? passed : ran);
    dog->warned &= !beats;
    dog->beat = sight->beat;
    dog->now_ns = sight->now_ns;
    dog->cpu_ns = sight->cpu_ns;
    if (dog->silent_ns >= WATCHDOG_LOST_MS * 1000000ull)
        return WATCHDOG_LOST;
    if (dog->silent_ns < WATCHDOG_WARN_MS * 1000000ull || dog->warned)
        return WATCHDOG_WELL;
    dog->warned = true;
    return WATCHDOG_STUCK;
}
