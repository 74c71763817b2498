#include "guardian/link_own.h"

#include "base/clock.h"
#include "crypto/rng.h"
#include "crypto/x509.h"
#include "guardian/accounts.h"
#include "guardian/issue.h"
#include "guardian/json.h"

#define EARLY_MS 60000

void vn_link_own_done(struct vn_link_own *o)
{
    vn_wipe(&o->seed, sizeof(o->seed));
    vn_secret_strp(&o->jwt);
    vn_secret_strp(&o->key_pem);
    vn_secret_strp(&o->cert_pem);
}

static vn_status make_certificate(const struct vn_guardian_config *cfg, uint64_t now_ms,
                                  struct vn_link_own *o)
{
    uint8_t *csr = NULL;
    size_t n;
    vn_status st = vn_tls_key_new(&o->key_pem);
    if (st == VN_OK)
        st = vn_tls_csr(o->key_pem, "guardian", &csr, &n);
    if (st == VN_OK)
        st = vn_tls_ca_issue_client(cfg->ca, VN_SPAN(csr, n), "guardian", now_ms - EARLY_MS,
                                    now_ms + VN_LINK_OWN_MS, &o->cert_pem);
    free(csr);
    return st;
}

static vn_status system_jwt(const struct vn_guardian_config *cfg, const char *user, uint64_t now_ms,
                            char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_pack("[s]", VN_CLAIMS_SUBJECT);
    VN_CLEANUP(vn_json_freep) json_t *sub = json_pack("[s]", VN_CLAIMS_ANSWERS);
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    const struct vn_nats_user u = {
        .user = user,
        .name = "guardian",
        .pub = pub,
        .sub = sub,
        .subs = -1,
        .payload = -1,
        .expires_ms = now_ms + VN_LINK_OWN_MS,
    };
    return vn_natsjwt_user(&cfg->nats_system, &u, now_ms, ret);
}

static vn_status make_user(const struct vn_guardian_config *cfg, const struct vn_realm *realm,
                           uint64_t now_ms, struct vn_link_own *o)
{
    struct vn_nats_key user;
    vn_status st = vn_rng_bytes(o->seed.b, sizeof(o->seed.b));
    if (st != VN_OK)
        return st;
    st = vn_nats_key_init(&user, VN_NKEY_USER, &o->seed);
    if (st == VN_OK)
        st = realm ? vn_issue_guardian_jwt(realm, user.public, now_ms, now_ms + VN_LINK_OWN_MS,
                                           &o->jwt)
                   : system_jwt(cfg, user.public, now_ms, &o->jwt);
    vn_nats_key_done(&user);
    return st;
}

vn_status vn_link_own_make(const struct vn_guardian_config *cfg, const struct vn_realm *realm,
                           struct vn_link_own *ret)
{
    const uint64_t now_ms = vn_clock_wall_ms();
    vn_status st = make_certificate(cfg, now_ms, ret);
    return st == VN_OK ? make_user(cfg, realm, now_ms, ret) : st;
}
