/*
 * Logins that are made at the same time have their statements signed together: one ML-DSA signature
 * for up to VN_STATEMENTS_MAX of a realm, on the pool. A group waits while others are being made,
 * until VN_STATEMENTS_MAX of any realm have come since it began: a login alone waits for nobody,
 * and none for more than that, however many come. Loop thread only.
 */
#pragma once

#include <uv.h>

#include "guardian/realm.h"
#include "wire/statement.h"

struct vn_statements;

/** One that waits; storage of whoever asks, until fn was called. */
struct vn_statement_wait {
    const struct vn_realm *realm; /* lives on until then */
    uint8_t bytes[VN_STATEMENT_MAX];
    size_t n; /* as encoded; signed when fn is called with VN_OK */
    void (*fn)(struct vn_statement_wait *w, vn_status st);
};

VN_MUST_CHECK vn_status vn_statements_new(uv_loop_t *uv, struct vn_statements **ret);
/** The loop must have become idle. NULL is fine; returns NULL. */
struct vn_statements *vn_statements_free(struct vn_statements *s);

/** A statement is being made; vn_statements_join or vn_statements_leave must follow. */
void vn_statements_expect(struct vn_statements *s);
/** It will not come. */
void vn_statements_leave(struct vn_statements *s);
/** It is there: calls w->fn once, also inside the call, but then with VN_ERR_NOMEM. */
void vn_statements_join(struct vn_statements *s, struct vn_statement_wait *w);
