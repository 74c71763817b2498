#include "conflux/daemon_netcheck.h"

#define SERVERS_MAX (VN_ICE_SERVERS_MAX + VN_MEMBER_STUN_MAX)

struct answer {
    Vn__Local__Netcheck body;
    Vn__Local__StunServer servers[SERVERS_MAX];
    Vn__Local__StunServer *list[SERVERS_MAX];
    uint8_t ips[SERVERS_MAX][16];
};

static void add(struct answer *a, const struct vn_addr *server, bool member)
{
    const size_t i = a->body.n_servers++;
    Vn__Local__StunServer *s = a->list[i] = &a->servers[i];
    vn__local__stun_server__init(s);
    memcpy(a->ips[i], server->ip.b, sizeof(a->ips[i]));
    s->ip = (ProtobufCBinaryData){sizeof(a->ips[i]), a->ips[i]};
    s->port = server->port;
    s->member = member;
}

/* Over UDP, at an address that is known. A TURN server answers STUN too (RFC 8656 section 3). */
static bool answers_stun(const struct vn_ice_server *s)
{
    static const struct vn_ip none;
    return (s->kind == VN_ICE_SERVER_STUN || s->kind == VN_ICE_SERVER_TURN_UDP) &&
           !vn_ip_equal(&s->addr.ip, &none);
}

void vn_daemon_netcheck(const struct vn_node *node, struct vn_local_call *call)
{
    struct answer a = {.body = VN__LOCAL__NETCHECK__INIT};
    VN_CLEANUP(vn_stun_keys_wipe) struct vn_stun_keys keys = {.count = 0};
    struct vn_node_status ns;
    vn_node_get_status(node, &ns);
    for (size_t i = 0; ns.cred && i < ns.cred->realm.ice_count; i++)
        if (answers_stun(&ns.cred->realm.ice[i]))
            add(&a, &ns.cred->realm.ice[i].addr, false);
    for (size_t i = 0; ns.cred && i < ns.cred->realm.member_stun_count; i++)
        add(&a, &ns.cred->realm.member_stun[i], true);
    a.body.servers = a.list;
    if (vn_node_stun_keys(node, &keys) == VN_OK && keys.count > 0) {
        a.body.key = (ProtobufCBinaryData){sizeof(keys.keys[0].key.b), keys.keys[0].key.b};
        a.body.generation = keys.keys[0].generation;
        a.body.hour = keys.keys[0].hour;
    }
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_NETCHECK;
    r.netcheck = &a.body;
    vn_local_answer(call, &r);
}
