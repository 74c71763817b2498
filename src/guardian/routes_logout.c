/* The end of a session by its node. */
#include "guardian/http.h"
#include "guardian/revoke.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"

void vn_route_session_logout(struct vn_request *r)
{
    struct vn_id node;
    if (vn_id_parse(VN_SPAN_STR(json_string_value(json_object_get(r->body, "node"))), &node) !=
        VN_OK) {
        vn_request_error(r, 400, "node is the id of the node whose session ends");
        return;
    }
    /* One conflux token may be on two machines: the older node must not end the newer one. */
    if (!r->conflux.has_session || !vn_id_equal(&r->conflux.session.node, &node)) {
        vn_request_error(r, 409,
                         "that node has no session: another login took its place, or it "
                         "was ended before");
        return;
    }
    if (r->conflux.ephemeral) {
        if (vn_node_remove(r, &r->conflux, "conflux_ended"))
            vn_request_reply(r, 204, NULL);
        return;
    }
    vn_status st = vn_store_begin(r->g->store);
    VN_CLEANUP(vn_store_rollbackp) struct vn_store *tx = r->g->store;
    if (st == VN_OK)
        st = vn_revoke_session(tx, &r->conflux, r->now_ms); /* its certificate lives on */
    if (st == VN_OK)
        st = vn_store_conflux_end_session(tx, &r->conflux.id);
    if (st == VN_OK)
        st = vn_store_commit(tx);
    if (st != VN_OK) {
        vn_request_fail(r, st, "logout");
        return;
    }
    char actor[VN_USER_NAME_MAX + 8];
    vn_guardian_audit(r->g, &r->conflux.realm, vn_request_actor(r, actor), "session_logout",
                      r->conflux.tag, "");
    vn_revoke_publish(r->g);
    vn_request_reply(r, 204, NULL);
}
