/* What the files of the control channel share: nats.c (core thread), nats_pump.c, nats_link.c (one
 * connection). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <nats/nats.h>

#include "base/list.h"
#include "control/nats.h"

#define VN_NATS_SNDBUF 212992      /* bytes asked of SO_SNDBUF, what any process may have */
#define VN_NATS_BUFFERED_MAX 49152 /* bytes libnats holds before we keep messages in our queue */

#define VN_NATS_URLS_MAX 8     /* addresses of Master */
#define VN_NATS_REASON_MAX 160 /* of a state; longer ones are cut */

/** Copied credentials; counted, immutable, wiped with the last reference. */
struct nats_cred {
    atomic_uint refs;
    char *urls[VN_NATS_URLS_MAX];
    size_t url_count;
    char *jwt, *ca_pem, *cert_pem, *key_pem;
    struct vn_secret32 seed;
};
struct nats_cred *vn_nats_cred_new(const struct vn_control_credentials *c);
struct nats_cred *vn_nats_cred_ref(struct nats_cred *c);
void vn_nats_cred_unref(struct nats_cred *c);

/** A subscription that is wanted. */
struct nats_sub {
    struct vn_list link;
    char *subject, *queue;
};

struct nats_out {
    struct vn_list link;
    size_t n;
    char subject[96];
    char answer[48]; /* where to; "": nowhere */
    uint8_t payload[];
};

/** Something for the core thread: a message, or a change of state. */
struct nats_in {
    struct vn_list link;
    natsMsg *msg; /* NULL: state */
    enum vn_control_state state;
    char reason[VN_NATS_REASON_MAX];
};

struct nats_attempt;

/** Shared by the core thread, the pump, attempts and libnats' delivery thread; counted. */
struct nats_shared {
    atomic_uint refs;
    int wake_pump, wake_core; /* eventfds, constant */

    pthread_mutex_t mu; /* guards all below */
    bool stop;
    bool wanted; /* connected, please */
    struct nats_cred *cred;
    uint64_t cred_number; /* raised with each connect */
    struct vn_list subs;  /* struct nats_sub */
    uint64_t subs_number; /* raised with each change */
    struct vn_list out;   /* struct nats_out */
    size_t out_count;
    struct vn_list in; /* struct nats_in */
    size_t in_count;
    uint64_t dropped;
    struct nats_attempt *awaited; /* the attempt the pump waits for; another one was abandoned */
    bool finished;                /* and it has ended: it is the pump's now */
};
void vn_nats_shared_ref(struct nats_shared *s);
void vn_nats_shared_unref(struct nats_shared *s);
void vn_nats_wake(int fd);
/** Takes msg. */
void vn_nats_deliver(struct nats_shared *s, natsMsg *msg);
void vn_nats_deliver_state(struct nats_shared *s, enum vn_control_state state, const char *reason);
void vn_nats_sub_free(struct nats_sub *s);

/** One connection, owned by an attempt and then by the pump. */
struct nats_link {
    natsConnection *nc;
    int fd; /* -1: closed, by libnats' wish */
    bool want_write;
    uint64_t cred_number;
    uint64_t subs_number; /* the list it is in step with */
    uint64_t last_rx_ms;
    struct vn_list subs; /* struct link_sub */
};

/** A connection being made: its thread's, until it has finished while awaited; then the pump's. */
struct nats_attempt {
    struct nats_shared *shared;
    struct nats_cred *cred;
    unsigned tried; /* a bit for each URL that failed before; constant */
    size_t url;     /* being tried; how many there are: several at once. Guarded by shared->mu */
    struct nats_link *link; /* on success */
    natsStatus status;
    char reason[VN_NATS_REASON_MAX];
    uint64_t started_ms;
};

/** Blocking. On success a->link is there, else status and reason. */
void vn_nats_attempt_run(struct nats_attempt *a);
void vn_nats_attempt_free(struct nats_attempt *a);
/** Makes the link's subscriptions those of the shared list. */
void vn_nats_link_sync(struct nats_link *l, struct nats_shared *s);
/** Writes what libnats holds, if the socket takes it without waiting. */
void vn_nats_link_flush(struct nats_link *l);
void vn_nats_link_free(struct nats_link *l);

/** Thread function; arg is the shared state, one reference is taken over. */
void *vn_nats_pump(void *arg);
