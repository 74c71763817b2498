#include "guardian/entry_points.h"

#include <stdio.h>
#include <string.h>

#include "crypto/rng.h"
#include "guardian/address.h"
#include "wire/credentials.h"

#define SCHEME "tls://"

_Static_assert(VN_ENTRY_POINTS_MAX <= VN_ARRAY_LEN(((struct vn_realm_info *)0)->master_urls),
               "a node takes all of them");
_Static_assert(sizeof(((struct vn_entry_point *)0)->url) >= VN_URL_MAX,
               "the embedded Master's is one of them");

static bool add(void *arg, const struct vn_entry_point *e)
{
    struct vn_entry_points *all = arg;
    all->e[all->n++] = *e;
    return all->n < VN_ENTRY_POINTS_MAX;
}

vn_status vn_entry_points_load(struct vn_store *s, struct vn_entry_points *ret)
{
    ret->n = 0;
    return vn_store_entry_list(s, NULL, add, ret);
}

vn_status vn_entry_points_first(struct vn_store *s, const struct vn_guardian_config *cfg,
                                uint64_t now_ms)
{
    struct vn_entry_points all;
    struct vn_entry_point e = {.enabled = true, .created_ms = now_ms};
    vn_status st = vn_entry_points_load(s, &all);
    if (st != VN_OK || all.n)
        return st;
    vn_config_master_url(cfg, e.url);
    st = vn_rng_bytes(e.id.b, sizeof(e.id.b));
    return st == VN_OK ? vn_store_entry_add(s, &e) : st;
}

json_t *vn_entry_points_urls(const struct vn_entry_points *all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->n; i++) {
        if (all->e[i].enabled && json_array_append_new(list, json_string(all->e[i].url)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

vn_status vn_entry_point_url(const char *text, char ret[VN_ENTRY_URL_MAX])
{
    char host[VN_HOST_MAX], shown[VN_HOST_MAX + 2];
    uint16_t port = VN_MASTER_PORT_USUAL;
    if (strncmp(text, SCHEME, strlen(SCHEME)) == 0)
        text += strlen(SCHEME);
    if (vn_machine_parse(text, host, &port) != VN_OK)
        return VN_ERR_ARG;
    vn_host_format(host, shown);
    snprintf(ret, VN_ENTRY_URL_MAX, SCHEME "%s:%u", shown, port);
    return VN_OK;
}

void vn_entry_point_host(const char *url, char ret[VN_HOST_MAX])
{
    uint16_t port;
    if (vn_host_port_parse(url + strlen(SCHEME), ret, &port) != VN_OK)
        ret[0] = 0;
}
