/*
 * A broker in memory, with a virtual clock: the port ports/control.h for tests. It enforces what
 * Master enforces (a client publishes only under its own id, the user JWT being that id's text) and
 * may lose, repeat, delay and change messages.
 */
#pragma once

#include "ports/control.h"

struct vn_mem_broker;
struct vn_mem_client;

struct vn_mem_message {
    const char *subject;
    uint8_t *p; /* may be changed in place, or cut by lowering n */
    size_t n;
    unsigned copies;   /* 1; 0 drops it */
    uint64_t delay_ms; /* 1 */
};

struct vn_mem_broker_counters {
    size_t published, delivered, refused; /* refused: not the publisher's to use */
    size_t bytes;
};

struct vn_mem_broker *vn_mem_broker_new(void);
struct vn_mem_broker *vn_mem_broker_free(struct vn_mem_broker *b);
/** Sees every message published. NULL: none. */
void vn_mem_broker_hook(struct vn_mem_broker *b, void (*fn)(void *arg, struct vn_mem_message *m),
                        void *arg);
/** Delivers as if someone the broker trusts had published it. */
void vn_mem_broker_inject(struct vn_mem_broker *b, const char *subject, const void *p, size_t n);
/** The whole broker goes away, or comes back. */
void vn_mem_broker_set_up(struct vn_mem_broker *b, bool up);
void vn_mem_broker_run(struct vn_mem_broker *b, uint64_t now_ms);
uint64_t vn_mem_broker_next(const struct vn_mem_broker *b);
struct vn_mem_broker_counters vn_mem_broker_counters(const struct vn_mem_broker *b);

struct vn_mem_client *vn_mem_client_new(struct vn_mem_broker *b);
struct vn_mem_client *vn_mem_client_free(struct vn_mem_client *c);
const struct vn_control *vn_mem_client_port(struct vn_mem_client *c);
/** How often it connected. */
unsigned vn_mem_client_connects(const struct vn_mem_client *c);
bool vn_mem_client_subscribed(const struct vn_mem_client *c, const char *pattern);
size_t vn_mem_client_subscriptions(const struct vn_mem_client *c);
