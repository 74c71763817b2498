#include "guardian/public_node.h"

#include "guardian/address.h"
#include "guardian/http.h"

/* Where the registration came from. A node on Guardian's own machine has the address by which
 * Guardian itself is found. */
static bool seen_address(struct vn_request *r, struct vn_ip *ret)
{
    if (vn_request_peer(r, ret) != VN_OK)
        return false;
    return !vn_ip_is_loopback(ret) ||
           (vn_ip_parse(r->g->cfg.public_host, ret) == VN_OK && !vn_ip_is_loopback(ret));
}

bool vn_public_node_wanted(struct vn_request *r, struct vn_addr *ret)
{
    const json_t *port = json_object_get(r->body, "public_port");
    const char *ip = json_string_value(json_object_get(r->body, "public_ip"));
    *ret = (struct vn_addr){.port = 0};
    if (!port && ip)
        vn_request_error(r, 400, "an address of a public node needs its public_port as well");
    if (!port)
        return !ip;
    const json_int_t number = json_integer_value(port);
    if (number < 1 || number > UINT16_MAX - 1) {
        vn_request_error(r, 400, "the public port must be 1 to 65534: correct --public");
        return false;
    }
    if (ip && (vn_ip_parse(ip, &ret->ip) != VN_OK || !vn_ip_is_host(&ret->ip))) {
        vn_request_error(
            r, 400, "%.60s is no address that others could send to: correct --public HOST", ip);
        return false;
    }
    if (!ip && !seen_address(r, &ret->ip)) {
        vn_request_error(r, 400,
                         "this node's outer address is not known: name it with --public HOST");
        return false;
    }
    ret->port = (uint16_t)number;
    return true;
}

json_t *vn_public_nodes_json(const struct vn_addr *list, size_t count)
{
    json_t *a = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(a, json_pack("{s:o, s:i}", "ip", vn_json_ip(&list[i].ip), "port",
                                               (int)list[i].port)) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}
