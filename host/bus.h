// Messages between the workers of one service in this process: what one publishes comes to all who
// joined, itself included, in order. For what must reach every worker, such as an event for an open
// stream; a request never waits for it. publish may be called from any thread.
#pragma once

#include <stddef.h>
#include <uv.h>

struct bus_member;

// On the member's loop. text NULL: the member fell behind by more than 8 MiB, and what was waiting
// is lost. The text is borrowed.
typedef void (*bus_on_message)(void *user, const char *text, size_t len);

// Joins the bus of that name. Loop thread only.
struct bus_member *bus_join(uv_loop_t *loop, const char *name, bus_on_message on_message,
                            void *user);

// Leaves; on_message is not called any more. The member is freed once the loop has closed its
// handle.
void bus_leave(struct bus_member *member);

// Copies the text once for all.
void bus_publish(const char *name, const char *text, size_t len);
