#include "guardian/regtoken.h"

#include "crypto/rng.h"
#include "guardian/json.h"

void vn_regtoken_done(struct vn_regtoken *t)
{
    vn_secret_strp(&t->jwt);
    vn_secret_strp(&t->join);
}

static vn_status check(const struct vn_regtoken_init *init, char *why, size_t why_n)
{
    const char *refused = vn_allowed_refuses(&init->allowed, &init->taints);
    if (init->expires_in_s == 0 || init->expires_in_s > VN_REGTOKEN_LIFE_MAX_S)
        snprintf(why, why_n, "the life of a token is 1 second to 10 years: choose another");
    else if (init->uses == 0 || init->uses > VN_REGTOKEN_USES_MAX)
        snprintf(why, why_n, "a token has 1 to %d uses, or leave them out for any number",
                 VN_REGTOKEN_USES_MAX);
    else if (refused)
        snprintf(why, why_n, "the default taint %s is not among the allowed taints: add it there",
                 refused);
    else
        return VN_OK;
    return VN_ERR_ARG;
}

vn_status vn_regtoken_create(struct vn_store *s, const struct vn_guardian_config *cfg,
                             const struct vn_regtoken_init *init, uint64_t now_ms,
                             struct vn_regtoken *ret, char *why, size_t why_n)
{
    vn_status st = check(init, why, why_n);
    if (st != VN_OK)
        return st;
    struct vn_regtoken t = {.record = {.realm = init->realm,
                                       .owner = init->owner,
                                       .created_ms = now_ms,
                                       .expires_ms = (now_ms / 1000 + init->expires_in_s) * 1000,
                                       .uses_left = init->uses,
                                       .taints = init->taints,
                                       .allowed = init->allowed,
                                       .ephemeral = init->ephemeral,
                                       .needs_jwt = init->needs_jwt,
                                       .approval = init->approval,
                                       .rights = init->rights}};
    char url[VN_URL_MAX];
    vn_config_url(cfg, url);
    st = vn_rng_bytes(t.record.id.b, sizeof(t.record.id.b));
    const struct vn_token claims = {
        .type = VN_TOKEN_REGISTRATION,
        .id = t.record.id,
        .realm = init->realm,
        .issued_ms = now_ms,
        .expires_ms = t.record.expires_ms,
    };
    if (st == VN_OK)
        st = vn_token_issue(&cfg->token_keys, &claims, &t.jwt);
    if (st == VN_OK)
        st = vn_token_hash(t.jwt, t.record.hash);
    if (st == VN_OK)
        st = vn_join_token(url, cfg->pinned ? cfg->pin : NULL, t.jwt, &t.join);
    if (st == VN_OK)
        st = vn_store_token_add(s, &t.record);
    if (st == VN_ERR_STATE) /* foreign key */
        st = VN_ERR_NOTFOUND;
    if (st != VN_OK) {
        vn_regtoken_done(&t);
        return st;
    }
    *ret = t;
    return VN_OK;
}

json_t *vn_regtoken_json(const struct vn_token_record *t)
{
    return json_pack("{s:o, s:b, s:b, s:o, s:b, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:b}", "rights",
                     vn_rights_json(&t->rights), "approval", t->approval, "needs_jwt", t->needs_jwt,
                     "id", vn_json_id(&t->id), "ephemeral", t->ephemeral, "realm",
                     vn_json_id(&t->realm), "owner", vn_json_id(&t->owner), "created_at",
                     (json_int_t)t->created_ms, "expires_at", (json_int_t)t->expires_ms,
                     "uses_left", t->uses_left < 0 ? json_null() : json_integer(t->uses_left),
                     "taints", vn_taints_to_json(&t->taints), "allowed_taints",
                     vn_allowed_to_json(&t->allowed), "revoked", t->revoked);
}
