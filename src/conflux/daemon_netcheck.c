#include "conflux/daemon_netcheck.h"

#define SERVERS_MAX (VN_ICE_SERVERS_MAX + VN_MEMBER_STUN_MAX)

struct answer {
    Vn__Local__Netcheck body;
    Vn__Local__StunServer servers[SERVERS_MAX];
    Vn__Local__StunServer *list[SERVERS_MAX];
    uint8_t ips[SERVERS_MAX][16];
    char hosts[SERVERS_MAX][VN_ICE_HOST_MAX];
    uint8_t pins[SERVERS_MAX][32];
};

static Vn__Local__StunServer *add(struct answer *a, const struct vn_addr *server)
{
    const size_t i = a->body.n_servers++;
    Vn__Local__StunServer *s = a->list[i] = &a->servers[i];
    vn__local__stun_server__init(s);
    memcpy(a->ips[i], server->ip.b, sizeof(a->ips[i]));
    s->ip = (ProtobufCBinaryData){sizeof(a->ips[i]), a->ips[i]};
    s->port = server->port;
    s->kind = VN_ICE_SERVER_STUN;
    return s;
}

/* Without its credentials: a TURN server answers STUN too (RFC 8656 section 3). */
static void add_named(struct answer *a, const struct vn_ice_server *server)
{
    static const struct vn_ip none;
    const size_t i = a->body.n_servers;
    if (vn_ip_equal(&server->addr.ip, &none))
        return; /* its name was not resolved */
    Vn__Local__StunServer *s = add(a, &server->addr);
    s->kind = server->kind;
    if (server->kind != VN_ICE_SERVER_TURN_TLS)
        return;
    memcpy(a->hosts[i], server->host, sizeof(a->hosts[i]));
    s->host = a->hosts[i];
    memcpy(a->pins[i], server->pin, sizeof(a->pins[i]));
    if (server->pinned)
        s->pin = (ProtobufCBinaryData){sizeof(a->pins[i]), a->pins[i]};
}

void vn_daemon_netcheck(const struct vn_node *node, struct vn_local_call *call)
{
    struct answer a = {.body = VN__LOCAL__NETCHECK__INIT};
    VN_CLEANUP(vn_stun_keys_wipe) struct vn_stun_keys keys = {.count = 0};
    struct vn_node_status ns;
    vn_node_get_status(node, &ns);
    for (size_t i = 0; ns.cred && i < ns.cred->realm.ice_count; i++)
        add_named(&a, &ns.cred->realm.ice[i]);
    for (size_t i = 0; ns.cred && i < ns.cred->realm.member_stun_count; i++)
        add(&a, &ns.cred->realm.member_stun[i])->member = true;
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
