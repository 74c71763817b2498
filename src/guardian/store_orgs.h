/* Organisations, members, invitations, teams and sign-ins in the store (store.h says how it works).
 */
#pragma once

#include "guardian/store.h"

/* ---- organisations ---- */

struct vn_org_record {
    struct vn_id id;
    char name[VN_REALM_NAME_MAX + 1];
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: the name is taken. */
VN_MUST_CHECK vn_status vn_store_org_add(struct vn_store *s, const struct vn_org_record *o);
VN_MUST_CHECK vn_status vn_store_org_get(struct vn_store *s, const struct vn_id *id,
                                         struct vn_org_record *ret);
VN_MUST_CHECK vn_status vn_store_org_by_name(struct vn_store *s, const char *name,
                                             struct vn_id *ret);
VN_MUST_CHECK vn_status vn_store_org_rename(struct vn_store *s, const struct vn_id *id,
                                            const char *name);
/** VN_ERR_STATE while it has realms. */
VN_MUST_CHECK vn_status vn_store_org_delete(struct vn_store *s, const struct vn_id *id);
/** Those of which user (NULL: anybody) is a member. */
VN_MUST_CHECK vn_status vn_store_org_list(struct vn_store *s, const struct vn_id *user,
                                          const struct vn_page *page,
                                          bool (*fn)(void *arg, const struct vn_org_record *o),
                                          void *arg);

/* ---- members ---- */

struct vn_member_record {
    struct vn_id org, user;
    char name[VN_USER_NAME_MAX + 1], display_name[VN_DISPLAY_NAME_MAX + 1];
    enum vn_role role; /* none: of a team */
    uint64_t created_ms;
};
/** VN_ROLE_NONE: no member. */
VN_MUST_CHECK vn_status vn_store_member_role(struct vn_store *s, const struct vn_id *org,
                                             const struct vn_id *user, enum vn_role *ret);
/** Adds, or changes the role. */
VN_MUST_CHECK vn_status vn_store_member_put(struct vn_store *s, const struct vn_id *org,
                                            const struct vn_id *user, enum vn_role role,
                                            uint64_t now_ms);
/** Also out of the organisation's teams. */
VN_MUST_CHECK vn_status vn_store_member_remove(struct vn_store *s, const struct vn_id *org,
                                               const struct vn_id *user);
VN_MUST_CHECK vn_status
vn_store_member_list(struct vn_store *s, const struct vn_id *org, const struct vn_page *page,
                     bool (*fn)(void *arg, const struct vn_member_record *m), void *arg);
VN_MUST_CHECK vn_status vn_store_owner_count(struct vn_store *s, const struct vn_id *org,
                                             unsigned *ret);

/* ---- invitations ---- */

struct vn_invitation_record {
    struct vn_id id, org, user;
    char org_name[VN_REALM_NAME_MAX + 1], user_name[VN_USER_NAME_MAX + 1]; /* read, not written */
    enum vn_role role;
    char inviter[VN_USER_NAME_MAX + 8];
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: invited already. */
VN_MUST_CHECK vn_status vn_store_invitation_add(struct vn_store *s,
                                                const struct vn_invitation_record *i);
VN_MUST_CHECK vn_status vn_store_invitation_get(struct vn_store *s, const struct vn_id *id,
                                                struct vn_invitation_record *ret);
VN_MUST_CHECK vn_status vn_store_invitation_delete(struct vn_store *s, const struct vn_id *id);
/** Those of an organisation, or those to a user: the other is NULL. */
VN_MUST_CHECK vn_status
vn_store_invitation_list(struct vn_store *s, const struct vn_id *org, const struct vn_id *user,
                         const struct vn_page *page,
                         bool (*fn)(void *arg, const struct vn_invitation_record *i), void *arg);

/* ---- teams ---- */

struct vn_team_record {
    struct vn_id id, org;
    char name[VN_REALM_NAME_MAX + 1];
    uint64_t created_ms;
};
/** VN_ERR_EXISTS: the organisation has one of that name. */
VN_MUST_CHECK vn_status vn_store_team_add(struct vn_store *s, const struct vn_team_record *t);
VN_MUST_CHECK vn_status vn_store_team_get(struct vn_store *s, const struct vn_id *id,
                                          struct vn_team_record *ret);
VN_MUST_CHECK vn_status vn_store_team_rename(struct vn_store *s, const struct vn_id *id,
                                             const char *name);
VN_MUST_CHECK vn_status vn_store_team_delete(struct vn_store *s, const struct vn_id *id);
VN_MUST_CHECK vn_status vn_store_team_list(struct vn_store *s, const struct vn_id *org,
                                           const struct vn_page *page,
                                           bool (*fn)(void *arg, const struct vn_team_record *t),
                                           void *arg);
VN_MUST_CHECK vn_status vn_store_team_member_put(struct vn_store *s, const struct vn_id *team,
                                                 const struct vn_id *user, uint64_t now_ms);
/** VN_ERR_NOTFOUND: was none. */
VN_MUST_CHECK vn_status vn_store_team_member_remove(struct vn_store *s, const struct vn_id *team,
                                                    const struct vn_id *user);
VN_MUST_CHECK vn_status
vn_store_team_member_list(struct vn_store *s, const struct vn_id *team, const struct vn_page *page,
                          bool (*fn)(void *arg, const struct vn_member_record *m), void *arg);

/* ---- realms and teams ---- */

struct vn_realm_place {
    struct vn_id org;
    bool public; /* every user may use it */
};
VN_MUST_CHECK vn_status vn_store_realm_place(struct vn_store *s, const struct vn_id *realm,
                                             struct vn_realm_place *ret);
VN_MUST_CHECK vn_status vn_store_realm_place_set(struct vn_store *s, const struct vn_id *realm,
                                                 const struct vn_realm_place *p);
/** What user is in the realm: by the organisation; or a member because the realm is public, or by a
 * team of the realm. VN_ERR_NOTFOUND: no such realm. */
VN_MUST_CHECK vn_status vn_store_realm_role(struct vn_store *s, const struct vn_id *realm,
                                            const struct vn_id *user, enum vn_role *ret);
VN_MUST_CHECK vn_status vn_store_realm_team_put(struct vn_store *s, const struct vn_id *realm,
                                                const struct vn_id *team);
VN_MUST_CHECK vn_status vn_store_realm_team_remove(struct vn_store *s, const struct vn_id *realm,
                                                   const struct vn_id *team);
VN_MUST_CHECK vn_status vn_store_realm_team_list(struct vn_store *s, const struct vn_id *realm,
                                                 bool (*fn)(void *arg,
                                                            const struct vn_team_record *t),
                                                 void *arg);
/** The team, if nodes of the realm may carry it and user is in it; by id, or by name (id NULL): of
 * the realm's organisation first. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_realm_team_of_user(struct vn_store *s, const struct vn_id *realm,
                                                    const struct vn_id *user,
                                                    const struct vn_id *id, const char *name,
                                                    struct vn_team_record *ret);

/* ---- nodes by people ---- */

VN_MUST_CHECK vn_status vn_store_conflux_set_teams(struct vn_store *s,
                                                   const struct vn_conflux_record *c);
/** The first node of this owner after *after, by id. VN_ERR_NOTFOUND. */
VN_MUST_CHECK vn_status vn_store_conflux_next(struct vn_store *s, const struct vn_id *owner,
                                              const struct vn_id *after, struct vn_id *ret);

/* ---- sign-ins ---- */

struct vn_user_session {
    struct vn_id id, user;
    uint8_t hash[32];
    uint64_t created_ms, used_ms, expires_ms;
};
/** Forgets those that have ended, too. */
VN_MUST_CHECK vn_status vn_store_session_add(struct vn_store *s, const struct vn_user_session *u);
VN_MUST_CHECK vn_status vn_store_session_get(struct vn_store *s, const struct vn_id *id,
                                             struct vn_user_session *ret);
/** Sets hash, use and end. */
VN_MUST_CHECK vn_status vn_store_session_refresh(struct vn_store *s,
                                                 const struct vn_user_session *u);
VN_MUST_CHECK vn_status vn_store_session_delete(struct vn_store *s, const struct vn_id *id);
/** All of a user, but for this one (NULL: none is kept). */
VN_MUST_CHECK vn_status vn_store_session_delete_all(struct vn_store *s, const struct vn_id *user,
                                                    const struct vn_id *but);

/* ---- API tokens ---- */

enum vn_api_scope {
    VN_API_READ = 1,  /* what GET gives */
    VN_API_WRITE = 2, /* the rest, but for accounts */
    VN_API_METRICS = 4,
};
struct vn_api_token {
    struct vn_id id, user;
    char name[VN_REALM_NAME_MAX + 1];
    uint8_t hash[32];
    unsigned scopes;
    bool has_realm;
    struct vn_id realm; /* the only one that it is good for */
    uint64_t created_ms, expires_ms;
};
/** VN_ERR_STATE: no such realm. */
VN_MUST_CHECK vn_status vn_store_api_token_add(struct vn_store *s, const struct vn_api_token *t);
VN_MUST_CHECK vn_status vn_store_api_token_get(struct vn_store *s, const struct vn_id *id,
                                               struct vn_api_token *ret);
VN_MUST_CHECK vn_status vn_store_api_token_list(struct vn_store *s, const struct vn_id *user,
                                                const struct vn_page *page,
                                                bool (*fn)(void *arg, const struct vn_api_token *t),
                                                void *arg);
/** VN_ERR_NOTFOUND: the user has no such token. */
VN_MUST_CHECK vn_status vn_store_api_token_delete(struct vn_store *s, const struct vn_id *user,
                                                  const struct vn_id *id);

/* ---- figures ---- */

struct vn_store_figures {
    uint64_t nodes, sessions, users, realms, orgs, revocations;
};
VN_MUST_CHECK vn_status vn_store_figures(struct vn_store *s, uint64_t now_ms,
                                         struct vn_store_figures *ret);
