#include "guardian/realm_make.h"

#include "guardian/address.h"

/* 10.77.0.0/16 for the first realm, 10.78.0.0/16 for the next, …: a machine may be in several. */
#define FIRST_OCTET 77
#define RANGES 178 /* up to 10.254 */

struct used {
    struct vn_store *s;
    bool octet[256];
    vn_status st;
};

static bool mark_used(void *arg, const struct vn_id *id)
{
    struct used *u = arg;
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record r = {0};
    u->st = vn_store_realm_get(u->s, id, &r);
    if (u->st == VN_OK && r.range4.ip.b[12] == 10)
        u->octet[r.range4.ip.b[13]] = true;
    return u->st == VN_OK;
}

static vn_status default_range(struct vn_store *s, struct vn_prefix *ret)
{
    struct used u = {.s = s};
    vn_status st = vn_store_realm_list(s, NULL, mark_used, &u);
    if (st == VN_OK)
        st = u.st; /* one that was not looked at could be met again */
    if (st != VN_OK)
        return st;
    unsigned octet = FIRST_OCTET;
    while (octet < FIRST_OCTET + RANGES - 1 && u.octet[octet])
        octet++;
    const uint8_t v4[4] = {10, (uint8_t)octet, 0, 0};
    *ret = (struct vn_prefix){.ip = vn_ip_from_v4(v4), .bits = 96 + 16};
    return VN_OK;
}

vn_status vn_realm_wish_check(struct vn_store *s, const struct vn_realm_wish *w,
                              struct vn_realm_init *ret, char *why, size_t why_n)
{
    struct vn_realm_init init = {
        .name = w->name,
        .suite = VN_SUITE_DEFAULT,
        .access = VN_ACCESS_TAINTS,
        .session_lifetime_s = VN_SESSION_LIFETIME_DEFAULT_S,
    };
    if (!vn_label_valid(w->name)) {
        snprintf(why, why_n,
                 "a realm's name has 1 to 63 characters a-z 0-9 -, no hyphen at its ends: choose "
                 "another");
        return VN_ERR_ARG;
    }
    if (w->suite) {
        const struct vn_suite_info *suite = vn_suite_by_name(w->suite);
        if (!suite) {
            snprintf(why, why_n, "suite must be \"default\" or \"cnsa\"");
            return VN_ERR_ARG;
        }
        init.suite = suite->id;
    }
    if (w->access && vn_access_parse(w->access, &init.access) != VN_OK) {
        snprintf(why, why_n, "access must be \"taints\", \"teams\" or \"both\"");
        return VN_ERR_ARG;
    }
    if (w->relay && vn_relay_rule_parse(w->relay, &init.relay) != VN_OK) {
        snprintf(why, why_n, "relay must be \"all\", \"public\" or \"none\"");
        return VN_ERR_ARG;
    }
    if (w->session_lifetime_s >= 0) {
        if (w->session_lifetime_s < VN_SESSION_LIFETIME_MIN_S ||
            w->session_lifetime_s > VN_SESSION_LIFETIME_MAX_S) {
            snprintf(why, why_n, "the session lifetime is %d to %d seconds: choose one between",
                     VN_SESSION_LIFETIME_MIN_S, VN_SESSION_LIFETIME_MAX_S);
            return VN_ERR_ARG;
        }
        init.session_lifetime_s = (uint32_t)w->session_lifetime_s;
    }
    if (w->ipv4) {
        if (vn_prefix_parse(w->ipv4, &init.range4) != VN_OK || !vn_ip_is_v4(&init.range4.ip) ||
            !vn_prefix_fits_realm(&init.range4) || init.range4.bits > 96 + 29) {
            snprintf(
                why, why_n,
                "the IPv4 range must be a private one of /29 or more, such as 10.77.0.0/16: inside "
                "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10");
            return VN_ERR_ARG;
        }
    } else {
        vn_status st = default_range(s, &init.range4);
        if (st != VN_OK)
            return st;
    }
    *ret = init;
    return VN_OK;
}
