#include <stdio.h>
#include <string.h>

#include "conflux/cli.h"

static void print_taints(const Vn__Local__Taints *t)
{
    for (size_t i = 0; i < t->n_taints; i++)
        puts(t->taints[i]);
    if (t->n_taints == 0)
        puts("none: this node reaches nobody; add one with 'veilnet-conflux taint add NAME'");
}

int vn_cmd_taint(struct vn_cli *c)
{
    Vn__Local__TaintChange change = VN__LOCAL__TAINT_CHANGE__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_TAINTS;
    rq.taints = &change;
    const char *what = c->o.word_count ? c->o.words[0] : "list";
    char **names = (char **)&c->o.words[1];
    const size_t n = c->o.word_count ? c->o.word_count - 1 : 0;
    if (strcmp(what, "add") == 0) {
        change.add = names;
        change.n_add = n;
    } else if (strcmp(what, "remove") == 0) {
        change.remove = names;
        change.n_remove = n;
    } else if (strcmp(what, "list") != 0 || n != 0) {
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "taint add NAME..., taint remove NAME..., or taint list");
    }
    if (strcmp(what, "list") != 0 && n == 0)
        return vn_cli_fail(c, VN_EXIT_USAGE, "taint %s: which?", what);
    if (n > 16)
        return vn_cli_fail(c, VN_EXIT_USAGE, "a node has at most 16 taints");
    for (size_t i = 0; i < n; i++) {
        if (!names[i][0] || strlen(names[i]) > 64)
            return vn_cli_fail(c, VN_EXIT_USAGE, "a taint has 1 to 64 characters");
    }
    int code;
    Vn__Local__Response *r = vn_cli_ask(c, &rq, 70000, &code);
    if (!r)
        return code;
    if (c->o.json)
        vn_cli_print(
            json_pack("{s:o}", "taints", vn_cli_strings(r->taints->taints, r->taints->n_taints)));
    else
        print_taints(r->taints);
    vn__local__response__free_unpacked(r, NULL);
    return VN_EXIT_OK;
}
