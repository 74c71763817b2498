#include "core/cookie.h"

#include "core/node_i.h"

void vn_cookies_wipe(struct vn_cookies *c)
{
    vn_wipe(c, sizeof(*c));
}

/* ---- load ---- */

static void drain(struct vn_node *n)
{
    struct vn_cookies *c = &n->cookies;
    uint64_t gone_ms = VN_MIN(n->now_ms - c->level_at_ms, (uint64_t)VN_HS_LOAD_HOLD_MS);
    uint64_t gone = gone_ms * VN_HS_LOAD_RATE; /* a rate per second is thousandths per ms */
    c->level_milli -= VN_MIN(gone, c->level_milli);
    c->level_at_ms = n->now_ms;
}

void vn_cookies_count(struct vn_node *n)
{
    struct vn_cookies *c = &n->cookies;
    drain(n);
    c->level_milli = VN_MIN(c->level_milli + 1000, (uint64_t)2000 * VN_HS_LOAD_ON);
}

bool vn_cookies_under_load(struct vn_node *n)
{
    struct vn_cookies *c = &n->cookies;
    size_t jobs = vn_jobs_count(n);
    drain(n);
    if (c->level_milli >= (uint64_t)1000 * VN_HS_LOAD_ON || jobs >= VN_JOBS_LOAD_ON) {
        if (!c->under_load) {
            n->load_periods++;
            vn_log(VN_LOG_DEBUG, "load_begins", VN_KV_U64("jobs", jobs));
        }
        c->under_load = true;
        c->under_load_at_ms = n->now_ms;
    } else if (c->under_load && c->level_milli <= (uint64_t)1000 * VN_HS_LOAD_OFF &&
               jobs <= VN_JOBS_LOAD_OFF && n->now_ms - c->under_load_at_ms >= VN_HS_LOAD_HOLD_MS) {
        c->under_load = false;
        vn_log(VN_LOG_DEBUG, "load_ends", VN_KV_U64("jobs", jobs));
    }
    return c->under_load;
}

/* ---- cookies ---- */

/* A secret is given out for 120 s and stays good for another 120 s, so every cookie is good for
 * those 120 s at least that its holder keeps it. */
static void age(struct vn_node *n)
{
    struct vn_cookies *c = &n->cookies;
    uint64_t since_ms = n->now_ms - c->made_ms;
    if (c->secrets && since_ms >= 2 * VN_COOKIE_LIFE_MS) {
        vn_wipe(c->secret, sizeof(c->secret));
        c->secrets = 0;
    }
}

static vn_status renew(struct vn_node *n)
{
    struct vn_cookies *c = &n->cookies;
    age(n);
    if (c->secrets && n->now_ms - c->made_ms < VN_COOKIE_LIFE_MS)
        return VN_OK;
    VN_CLEANUP(vn_secret32_wipe) struct vn_secret32 fresh;
    vn_status st = vn_random_fill(n, fresh.b, sizeof(fresh.b));
    if (st != VN_OK)
        return st;
    c->secret[1] = c->secret[0];
    c->secret[0] = fresh;
    c->secrets = c->secrets ? 2 : 1;
    c->made_ms = n->now_ms;
    return VN_OK;
}

vn_status vn_cookie_make(struct vn_node *n, const struct vn_id *src, uint8_t ret[VN_COOKIE_LEN])
{
    vn_status st = renew(n);
    return st == VN_OK ? vn_hs_cookie(n->suite, &n->cookies.secret[0], src, ret) : st;
}

bool vn_cookie_right(struct vn_node *n, const struct vn_id *src, const struct vn_hs_m1_view *v)
{
    struct vn_cookies *c = &n->cookies;
    age(n);
    for (unsigned i = 0; i < c->secrets; i++) {
        uint8_t cookie[VN_COOKIE_LEN];
        /* The one before ended with the life of the present one. */
        if (i == 1 && n->now_ms - c->made_ms >= VN_COOKIE_LIFE_MS)
            break;
        if (vn_hs_cookie(n->suite, &c->secret[i], src, cookie) == VN_OK &&
            vn_hs_m1_check_mac2(v, n->suite, cookie) == VN_OK)
            return true;
    }
    return false;
}
