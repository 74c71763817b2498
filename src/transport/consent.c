#include "transport/consent.h"

#include "transport/limits.h"

static uint64_t routine_gap(struct vn_consent *c)
{
    uint32_t r;
    if (c->random->fill(c->random->self, &r, sizeof(r)) != VN_OK)
        r = 0;
    return VN_CONSENT_MIN_US + r % (VN_CONSENT_MAX_US - VN_CONSENT_MIN_US);
}

void vn_consent_init(struct vn_consent *c, const struct vn_random *random, uint64_t now_us)
{
    *c = (struct vn_consent){.random = random, .answered_us = now_us, .heard_us = now_us};
    c->next_us = now_us + routine_gap(c);
}

void vn_consent_sending(struct vn_consent *c, uint64_t now_us)
{
    if (!c->sending_us) {
        c->sending_us = now_us;
        c->next_live_us = now_us + VN_LIVE_PROBE_US;
    }
}

void vn_consent_heard(struct vn_consent *c, uint64_t now_us)
{
    c->heard_us = now_us;
    c->sending_us = 0;
    c->refused = 0;
}

void vn_consent_answered(struct vn_consent *c, uint64_t now_us)
{
    c->answered_us = now_us;
    c->next_us = now_us + routine_gap(c);
    vn_consent_heard(c, now_us);
}

void vn_consent_refused(struct vn_consent *c)
{
    /* A burst of errors from one flush counts once: each must follow a check of its own. */
    if (!c->refused_since_check) {
        c->refused_since_check = true;
        c->refused++;
        c->next_live_us = c->next_us = 0; /* ask again at once */
    }
}

enum vn_consent_verdict vn_consent_tick(struct vn_consent *c, bool outstanding, uint64_t now_us)
{
    bool late = c->due_us && now_us > c->due_us + VN_LIVE_LATE_US;
    c->due_us = 0;
    if (late) {
        c->answered_us = VN_MAX(c->answered_us, now_us - VN_CONSENT_EXPIRES_US / 2);
        c->sending_us = c->sending_us ? now_us : 0;
        c->next_live_us = now_us + VN_LIVE_PROBE_US;
        c->refused = 0;
    }
    if (outstanding)
        vn_consent_sending(c, now_us);
    if (c->refused >= VN_LIVE_REFUSED || now_us >= c->answered_us + VN_CONSENT_EXPIRES_US ||
        (c->sending_us && now_us >= c->sending_us + VN_LIVE_DOWN_US))
        return VN_CONSENT_LOST;
    bool live = c->sending_us && now_us >= c->next_live_us;
    if (!live && now_us < c->next_us)
        return VN_CONSENT_WAIT;
    c->next_us = now_us + VN_CONSENT_RETRY_US;
    c->next_live_us = now_us + VN_LIVE_PROBE_US;
    c->refused_since_check = false;
    return VN_CONSENT_CHECK;
}

uint64_t vn_consent_deadline(struct vn_consent *c)
{
    uint64_t at = VN_MIN(c->next_us, c->answered_us + VN_CONSENT_EXPIRES_US);
    if (c->sending_us) {
        at = VN_MIN(at, c->next_live_us);
        at = VN_MIN(at, c->sending_us + VN_LIVE_DOWN_US);
    }
    c->due_us = at;
    return at;
}
