#include <stdio.h>
#include <string.h>

#include "conflux/cli.h"

static json_t *peers_json(const Vn__Local__Peers *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_peers; i++) {
        const Vn__Local__Peer *e = p->peers[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:b}", "id", e->id, "tag", e->tag,
                                              "addresses", vn_cli_strings(e->addrs, e->n_addrs),
                                              "live", e->live));
    }
    return json_pack("{s:o, s:s, s:s?}", "peers", list, "source", p->source, "reason",
                     p->reason[0] ? p->reason : NULL);
}

static void print_peers(const Vn__Local__Peers *p)
{
    for (size_t i = 0; i < p->n_peers; i++) {
        const Vn__Local__Peer *e = p->peers[i];
        printf("%-16s", e->tag);
        for (size_t k = 0; k < e->n_addrs; k++)
            printf(" %-16s", e->addrs[k]);
        puts(e->live ? " live" : "");
    }
    if (p->n_peers == 0)
        puts("nobody that this node may reach is known");
    if (strcmp(p->source, "guardian") != 0)
        printf("from what this node remembers, because Guardian was not reached: %s\n", p->reason);
}

/* The taints of this node, where they are the reason for an empty list. */
static void print_hint(const struct vn_cli *c)
{
    int code;
    Vn__Local__Response *r = vn_cli_status(c, true, &code);
    if (!r)
        return;
    if (r->status->n_taints == 0 && strcmp(r->status->access, "teams") != 0) {
        puts("this node has no taints: it reaches nobody; add one with 'veilnet-conflux taint add "
             "NAME'");
    } else {
        printf("this node's taints:");
        for (size_t i = 0; i < r->status->n_taints; i++)
            printf(" %s", r->status->taints[i]);
        putchar('\n');
    }
    vn__local__response__free_unpacked(r, NULL);
}

int vn_cmd_peers(struct vn_cli *c)
{
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_PEERS;
    rq.peers = &nothing;
    int code;
    Vn__Local__Response *r = vn_cli_ask(c, &rq, 70000, &code);
    if (!r)
        return code;
    if (c->o.json) {
        vn_cli_print(peers_json(r->peers));
    } else {
        print_peers(r->peers);
        if (r->peers->n_peers == 0)
            print_hint(c);
    }
    vn__local__response__free_unpacked(r, NULL);
    return VN_EXIT_OK;
}
