/*
 * The order in which Master is told of realms' accounts: one message is under way until it is
 * answered, and what changes meanwhile goes into the next one. No clock, no I/O.
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/list.h"
#include "base/status.h"

#define VN_ACCOUNT_ANSWER_MS 60000 /* no answer for so long: it is said again */

struct vn_account_entry;

struct vn_account_queue {
    struct vn_list waiting;             /* each realm once, longest wait first */
    struct vn_account_entry *under_way; /* or NULL */
    uint64_t number;                    /* of the message that went last */
    uint64_t sent_ms;
};

void vn_account_queue_init(struct vn_account_queue *q);
void vn_account_queue_done(struct vn_account_queue *q);

/** The realm's account has changed. One that waits already keeps its place. VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_account_queue_add(struct vn_account_queue *q, const struct vn_id *realm);
/** Whether a change of it waits, or is under way. */
bool vn_account_queue_has(const struct vn_account_queue *q, const struct vn_id *realm);
/** Nothing waits, nothing is under way. */
bool vn_account_queue_idle(const struct vn_account_queue *q);
/** Whose account goes now, as it is now: vn_account_queue_sent or vn_account_queue_drop follows.
 * False: nobody's. */
bool vn_account_queue_next(struct vn_account_queue *q, uint64_t now_ms, struct vn_id *ret);
/** It is under way, with this number. */
uint64_t vn_account_queue_sent(struct vn_account_queue *q, uint64_t now_ms);
/** It will not go: nobody needs it any more. */
void vn_account_queue_drop(struct vn_account_queue *q);
/** Message `number` was answered. False: it is not the one under way. */
bool vn_account_queue_answered(struct vn_account_queue *q, uint64_t number);
/** What is under way may be lost: it goes again, first of all. */
void vn_account_queue_lost(struct vn_account_queue *q);
