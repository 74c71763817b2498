#include "guardian/people.h"

#include "guardian/keychange.h"
#include "guardian/push.h"
#include "guardian/quarantine.h"
#include "guardian/revoke.h"

vn_status vn_people_set_teams(struct vn_store *tx, struct vn_conflux_record *c,
                              const struct vn_team_set *teams, uint64_t now_ms)
{
    struct vn_conflux_record before = *c;
    c->teams = *teams;
    c->statement_number = VN_MAX(c->statement_number + 1, now_ms);
    vn_status st = vn_store_conflux_set_teams(tx, c);
    if (st == VN_OK)
        st = vn_revoke_statements(tx, c, c->statement_number, now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, &before, c, now_ms);
    return st;
}

static vn_status remove_node(struct vn_store *tx, const struct vn_conflux_record *c,
                             uint64_t now_ms)
{
    vn_status st = vn_revoke_session(tx, c, now_ms);
    if (st == VN_OK)
        st = vn_key_change_lost(tx, c, NULL, now_ms);
    return st == VN_OK ? vn_store_conflux_delete(tx, c, now_ms) : st;
}

/* Teams that the node may still carry. */
static vn_status check_teams(struct vn_store *tx, struct vn_conflux_record *c, uint64_t now_ms)
{
    struct vn_team_set kept = {.n = 0};
    struct vn_team_record team;
    for (size_t i = 0; i < c->teams.n; i++) {
        vn_status st =
            vn_store_realm_team_of_user(tx, &c->realm, &c->owner, &c->teams.t[i], NULL, &team);
        if (st == VN_OK)
            st = vn_team_set_add(&kept, &team.id);
        if (st != VN_OK && st != VN_ERR_NOTFOUND)
            return st;
    }
    if (kept.n == c->teams.n)
        return VN_OK;
    vn_status st = vn_people_set_teams(tx, c, &kept, now_ms);
    return st == VN_OK ? vn_store_outbox_add(tx, &c->id) : st;
}

vn_status vn_people_check_user(struct vn_store *tx, const struct vn_id *realm,
                               const struct vn_id *user, uint64_t now_ms)
{
    struct vn_id id = {{0}};
    struct vn_conflux_record c;
    struct vn_user_record u;
    vn_status st = vn_store_user_get(tx, user, &u);
    while (st == VN_OK && (st = vn_store_conflux_next(tx, user, &id, &id)) == VN_OK) {
        enum vn_role role = VN_ROLE_NONE;
        st = vn_store_conflux_get(tx, &id, &c);
        if (st == VN_OK && realm && !vn_id_equal(&c.realm, realm))
            continue;
        if (st == VN_OK && !u.superuser)
            st = vn_store_realm_role(tx, &c.realm, user, &role);
        if (st == VN_OK)
            st = role == VN_ROLE_NONE && !u.superuser ? remove_node(tx, &c, now_ms)
                                                      : check_teams(tx, &c, now_ms);
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

void vn_people_tell(struct vn_guardian *g)
{
    vn_revoke_publish(g);
    vn_push_outbox(g);
    vn_quarantine_push(g);
}
