#include "descriptors.h"

#include <sys/resource.h>

#include "http_server.h"

enum {
    PROCESS_OWN = 16,        // standard streams, the reload's, a file that is read
    LISTENERS_OF_WORKER = 2, // the public one and the inner one
    FEWEST = 4,
};

void descriptors_raise(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

unsigned descriptors_share(unsigned wanted, int workers, int own) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    long long left = (long long)limit.rlim_cur - PROCESS_OWN - (long long)workers * own;
    long long each = left / workers / LISTENERS_OF_WORKER;
    unsigned most = wanted;
    while (most > FEWEST && (long long)http_server_hard_limit(most) > each)
        most = most * 7 / 8;
    return most > FEWEST ? most : FEWEST;
}
