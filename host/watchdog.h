// When a thread whose heart does not beat is stuck: the time that it has been silent, without that
// in which it was ready to run and got no processor, and without that in which nobody looked (the
// process, or the machine, was stopped).
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    WATCHDOG_LOOK_MS = 100, // time between two looks
    WATCHDOG_WARN_MS = 1000,
    WATCHDOG_LOST_MS = 5000,
};

// Of one thread; begins as zeros.
struct watchdog {
    uint64_t beat, now_ns, cpu_ns; // of the last look
    uint64_t silent_ns;
    bool warned; // of this silence
};

// What is seen of the thread.
struct watchdog_sight {
    uint64_t beat;   // changes while all is well; 0: there is nothing to watch
    uint64_t now_ns; // monotonic
    uint64_t cpu_ns; // of the thread
    bool sleeps;     // it waits for something else than a processor, or that cannot be known
};

enum watchdog_finding {
    WATCHDOG_WELL,
    WATCHDOG_STUCK, // told once of each silence, after WATCHDOG_WARN_MS
    WATCHDOG_LOST,  // WATCHDOG_LOST_MS and more
};

enum watchdog_finding watchdog_look(struct watchdog *dog, const struct watchdog_sight *sight);
