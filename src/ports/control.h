/*
 * Port: the control channel (DESIGN section 5), a NATS account of the realm. Core thread only:
 * implementations hand messages to the core thread before they call back.
 */
#pragma once

#include <stdbool.h>

#include "base/secret.h"
#include "base/span.h"
#include "base/status.h"

/** What is needed to connect. Borrowed for the call; the implementation copies and wipes. */
struct vn_control_credentials {
    const char *const *urls; /* "tls://host:4222"; the nearest that works is used */
    size_t url_count;
    const char *jwt; /* NATS user JWT */
    struct vn_secret32 nkey_seed;
    const char *ca_pem;   /* Master's authority; nothing else is trusted */
    const char *cert_pem; /* own mutual-TLS certificate */
    const char *key_pem;  /* its PKCS#8 key; a secret */
};

enum vn_control_state { VN_CONTROL_DOWN, VN_CONTROL_UP, VN_CONTROL_REFUSED };

struct vn_control_handler {
    void *arg;
    /** A message on a subscribed subject; both borrowed for the call. */
    void (*message)(void *arg, const char *subject, struct vn_span payload);
    /** reason: short text for status, or NULL; of UP, told again when it changes, the URL. REFUSED:
     * the broker rejected the credentials. */
    void (*state)(void *arg, enum vn_control_state state, const char *reason);
};

struct vn_control {
    void *self;
    void (*set_handler)(void *self, const struct vn_control_handler *h);
    /** Connects, or re-connects with new credentials; tries for ever. Subscriptions live on. */
    vn_status (*connect)(void *self, const struct vn_control_credentials *cred);
    void (*disconnect)(void *self);
    /** queue may be NULL. Kept and made anew at each reconnect. */
    vn_status (*subscribe)(void *self, const char *subject, const char *queue);
    void (*unsubscribe)(void *self, const char *subject);
    /** VN_ERR_AGAIN when not connected, VN_ERR_LIMIT when the outgoing buffer is full. */
    vn_status (*publish)(void *self, const char *subject, struct vn_span payload);
};
