// Tells when something may have changed below some folders: by inotify, gathered for a moment, by a
// slow look now and then for what inotify cannot see (a network mount, watches that ran out), and
// when it is asked. It follows a folder that is replaced, goes away for a moment, or is a
// ConfigMap's, whose `..data` link moves. What has changed is not its business. One thread waits;
// watch_ask, watch_wake and watch_stop may be called by any.
#pragma once

#include <stdbool.h>

struct watch;

enum watch_event {
    WATCH_CHANGED, // something happened in the folders
    WATCH_LOOK,    // nothing was heard for look_ms, or watch_wake was called: look by yourself
    WATCH_ASKED,   // by watch_ask
    WATCH_STOPPED, // by watch_stop, and from then on always
};

struct watch_options {
    const char *const *folders; // need not exist; 8 at most
    int folder_count;
    int look_ms;
    int max_folders; // of all that are watched, links included; 0: 4,096
};

struct watch *watch_new(const struct watch_options *options);
void watch_free(struct watch *watch);

// Waits for the next event. Changes come 20 ms after the last of them, at the latest 200 ms after
// the first; 5 ms after a file was moved into its place, at once when a ConfigMap's ..data was.
// most_ms: look at the latest then; 0: after look_ms.
enum watch_event watch_wait(struct watch *watch, int most_ms);

// Where something may have changed, after watch_wait: bit i is folders[i]. All, where it did not
// return WATCH_CHANGED.
unsigned watch_where(const struct watch *watch);

// Whether something has happened in one of these folders (bits) since watch_wait returned.
bool watch_is_pending(struct watch *watch, unsigned folders);

// False: inotify is not to be had for all folders (logged once), and only looking is left.
bool watch_is_live(const struct watch *watch);

void watch_ask(struct watch *watch);
void watch_wake(struct watch *watch);
void watch_stop(struct watch *watch);
