#include "guardian/oidc_account.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "control/json_read.h"
#include "crypto/kdf.h"
#include "crypto/rng.h"
#include "guardian/sign_in.h"

#define SUFFIX 12 /* characters of a hash, where no address names an account */

/* The e-mail address in small letters, if the provider has verified it and it can be a name. */
static bool verified_address(const json_t *claims, char ret[VN_USER_NAME_MAX + 1])
{
    const json_t *said = json_object_get(claims, "email_verified");
    const char *text = json_string_value(said); /* some say it as text */
    if (!json_is_true(said) && !(text && strcmp(text, "true") == 0))
        return false;
    if (!vn_jread_text(claims, "email", ret, VN_USER_NAME_MAX + 1) || !strchr(ret, '@'))
        return false;
    for (char *p = ret; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return vn_user_name_valid(ret);
}

/* An account that was made for this address, and that nobody has signed in to. */
static vn_status waiting_account(struct vn_store *tx, const char *name, struct vn_user_record *ret)
{
    unsigned identities = 0;
    vn_status st = vn_store_user_by_name(tx, name, ret);
    if (st == VN_OK)
        st = vn_store_identity_count(tx, &ret->id, &identities);
    return st == VN_OK && (ret->password[0] || identities) ? VN_ERR_NOTFOUND : st;
}

/* "PROVIDER-" and a hash of who it is: what a provider lets people choose is no name here. */
static vn_status made_name(const struct vn_oidc_provider *p, const char *subject,
                           char ret[VN_USER_NAME_MAX + 1])
{
    struct vn_hash h;
    char digest[VN_B64URL_LEN(32) * 2];
    vn_status st = vn_hash(
        VN_SHA256, VN_PARTS(VN_SPAN(p->issuer, strlen(p->issuer) + 1), VN_SPAN_STR(subject)), &h);
    if (st != VN_OK)
        return st;
    vn_hex_encode(vn_hash_span(&h), digest);
    snprintf(ret, VN_USER_NAME_MAX + 1, "%s-%.*s", p->name, SUFFIX, digest);
    return VN_OK;
}

static vn_status new_account(struct vn_store *tx, const struct vn_oidc_provider *p,
                             const json_t *claims, const char *subject, const char *address,
                             uint64_t now_ms, struct vn_user_record *ret)
{
    struct vn_user_record u = {.created_ms = now_ms};
    vn_status st = vn_rng_bytes(u.id.b, sizeof(u.id.b));
    if (st == VN_OK && address)
        snprintf(u.name, sizeof(u.name), "%s", address);
    if (!vn_jread_text(claims, "name", u.display_name, sizeof(u.display_name)) ||
        !vn_display_name_valid(u.display_name))
        u.display_name[0] = 0;
    if (st == VN_OK && address)
        st = vn_store_user_add(tx, &u);
    if ((st == VN_OK && !address) || st == VN_ERR_EXISTS) { /* somebody has that name */
        st = made_name(p, subject, u.name);
        if (st == VN_OK)
            st = vn_store_user_add(tx, &u);
    }
    if (st == VN_OK)
        *ret = u;
    return st;
}

/* Who it is. VN_ERR_MALFORMED: nobody. */
static vn_status subject_of(const struct vn_oidc_provider *p, const json_t *claims,
                            struct vn_identity_record *ret)
{
    snprintf(ret->issuer, sizeof(ret->issuer), "%s", p->issuer);
    snprintf(ret->provider, sizeof(ret->provider), "%s", p->name);
    return vn_jread_text(claims, "sub", ret->subject, sizeof(ret->subject)) && ret->subject[0]
               ? VN_OK
               : VN_ERR_MALFORMED;
}

static vn_status add(struct vn_store *tx, const struct vn_id *user, uint64_t now_ms,
                     struct vn_identity_record *io)
{
    io->user = *user;
    io->created_ms = now_ms;
    vn_status st = vn_rng_bytes(io->id.b, sizeof(io->id.b));
    return st == VN_OK ? vn_store_identity_add(tx, io) : st;
}

vn_status vn_oidc_account(struct vn_store *tx, const struct vn_oidc_provider *p,
                          const json_t *claims, uint64_t now_ms, struct vn_user_record *ret,
                          bool *ret_new)
{
    char address[VN_USER_NAME_MAX + 1];
    struct vn_identity_record i;
    vn_status st = subject_of(p, claims, &i);
    if (st != VN_OK)
        return st;
    *ret_new = false;
    st = vn_store_identity_get(tx, i.issuer, i.subject, &i);
    if (st == VN_OK)
        return vn_store_user_get(tx, &i.user, ret);
    if (st != VN_ERR_NOTFOUND)
        return st;
    *ret_new = true;
    const bool known = verified_address(claims, address);
    st = known ? waiting_account(tx, address, ret) : VN_ERR_NOTFOUND;
    if (st == VN_ERR_NOTFOUND)
        st = p->sign_up ? new_account(tx, p, claims, i.subject, known ? address : NULL, now_ms, ret)
                        : VN_ERR_DENIED;
    return st == VN_OK ? add(tx, &ret->id, now_ms, &i) : st;
}

vn_status vn_oidc_link(struct vn_store *tx, const struct vn_oidc_provider *p, const json_t *claims,
                       const struct vn_id *user, uint64_t now_ms, struct vn_identity_record *ret,
                       bool *ret_new)
{
    vn_status st = subject_of(p, claims, ret);
    if (st == VN_OK)
        st = vn_store_identity_get(tx, ret->issuer, ret->subject, ret);
    *ret_new = st == VN_ERR_NOTFOUND;
    if (*ret_new)
        return add(tx, user, now_ms, ret);
    return st == VN_OK && !vn_id_equal(&ret->user, user) ? VN_ERR_EXISTS : st;
}
