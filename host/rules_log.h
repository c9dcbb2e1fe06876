// Says which failures of rules are logged: of each rule and code one a minute in the whole process,
// with the number of those that were left out since. A rule may fail thousands of times a second.
// Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// True: log it. left_out is how many were not logged since the last one that was.
bool rules_log_may(const char *rule, const char *code, uint64_t now_ms, uint64_t *left_out);

// New rules fail anew: what is known is forgotten.
void rules_log_forget(void);
