#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conflux/cli.h"

#define CLOCK_WARN_MS 60000

static json_t *link_json(const Vn__Local__Link *l)
{
    json_t *tether =
        l->tether
            ? json_pack("{s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "up", l->tether_up, "local",
                        l->local, "local_type", l->local_type, "remote", l->remote, "remote_type",
                        l->remote_type, "rtt_us", (json_int_t)l->rtt_us, "tx_bytes",
                        (json_int_t)l->tether_tx_bytes, "rx_bytes", (json_int_t)l->tether_rx_bytes)
            : json_null();
    json_t *stream =
        json_pack("{s:s?, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "tx_state",
                  l->tx_state[0] ? l->tx_state : NULL, "rx", l->rx, "tx_packets",
                  (json_int_t)l->tx_packets, "tx_bytes", (json_int_t)l->tx_bytes, "rx_packets",
                  (json_int_t)l->rx_packets, "rx_bytes", (json_int_t)l->rx_bytes, "queued_packets",
                  (json_int_t)l->queued_packets, "handshake_us", (json_int_t)l->handshake_us);
    return json_pack("{s:s?, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:I, s:I}", "country",
                     l->country[0] ? l->country : NULL, "node", l->node, "tag", l->tag, "addresses",
                     vn_cli_strings(l->addrs, l->n_addrs), "tether_up", l->tether_up, "tether",
                     tether, "stream", stream, "via", vn_cli_strings(l->via, l->n_via), "since_ms",
                     (json_int_t)l->since_ms, "idle_ms", (json_int_t)l->idle_ms);
}

static json_t *counters_json(Vn__Local__Counter *const *list, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; o && i < n; i++)
        json_object_set_new(o, list[i]->name, json_integer((json_int_t)list[i]->value));
    return o;
}

/* What stops traffic, or soon will, as this machine alone can tell [C1]. */
static json_t *hints(const Vn__Local__Status *s)
{
    json_t *a = json_array();
    char text[512];
    const bool online = strcmp(s->state, "online") == 0;
    if (s->quarantined) {
        json_array_append_new(
            a, json_string("Guardian has this node in quarantine: it reaches nobody until an "
                           "administrator lifts it (veilnet-guardian node release)"));
    } else if (s->quarantined_from) {
        snprintf(text, sizeof(text),
                 "Guardian has this node in quarantine from %u of the others: it does not reach "
                 "those",
                 s->quarantined_from);
        json_array_append_new(a, json_string(text));
    }
    if (online && !s->quarantined && s->n_taints == 0 && strcmp(s->access, "teams") != 0)
        json_array_append_new(
            a, json_string("this node has no taints: it reaches nobody; add one with "
                           "'veilnet-conflux taint add NAME'"));
    if (s->guardian_error[0]) {
        snprintf(text, sizeof(text), "Guardian: %.400s", s->guardian_error);
        json_array_append_new(a, json_string(text));
    }
    if (online && strcmp(s->control, "up") != 0) {
        snprintf(text, sizeof(text),
                 "the control channel is %s%s%.300s: new peers are not found until it is up again",
                 s->control, s->control_reason[0] ? ", " : "", s->control_reason);
        json_array_append_new(a, json_string(text));
    }
    if (llabs(s->clock_offset_ms) > CLOCK_WARN_MS) {
        snprintf(text, sizeof(text),
                 "this machine's clock is %" PRId64
                 " s %s: set it (Master's certificate is checked by it)",
                 (int64_t)llabs(s->clock_offset_ms) / 1000,
                 s->clock_offset_ms > 0 ? "fast" : "slow");
        json_array_append_new(a, json_string(text));
    }
    return a;
}

static json_t *place_json(const Vn__Local__Place *p)
{
    json_t *at = json_array();
    for (size_t i = 0; p && i < p->n_at_us; i++)
        json_array_append_new(at, json_integer(p->at_us[i]));
    return json_pack("{s:o, s:i, s:f}", "at_us", at, "height_us", p ? (int)p->height_us : 0,
                     "error", p ? p->error_permille / 1000.0 : 1.0);
}

static json_t *status_json(const Vn__Local__Status *s)
{
    json_t *links = json_array();
    for (size_t i = 0; i < s->n_links; i++)
        json_array_append_new(links, link_json(s->links[i]));
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:o}",
                          "state", s->state, "control", s->control, "tag", s->tag, "ip4", s->ip4,
                          "ip6", s->ip6, "node", s->node, "conflux", s->conflux, "realm", "id",
                          s->realm, "name", s->realm_name, "suite", s->suite, "access", s->access,
                          "taints", vn_cli_strings(s->taints, s->n_taints));
    json_t *more =
        json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:i}", "interface",
                  s->interface, "mtu", (int)s->mtu, "idle_ms", (json_int_t)s->idle_ms,
                  "control_reason", s->control_reason, "guardian", s->guardian, "guardian_error",
                  s->guardian_error, "clock_offset_ms", (json_int_t)s->clock_offset_ms,
                  "renew_in_ms", (json_int_t)s->renew_in_ms, "uptime_ms", (json_int_t)s->uptime_ms,
                  "pid", (json_int_t)s->pid, "version", s->version, "quarantined", s->quarantined,
                  "quarantined_from", (int)s->quarantined_from);
    json_object_update(o, more);
    json_decref(more);
    json_object_set_new(o, "links", links);
    json_object_set_new(o, "place", place_json(s->place));
    json_object_set_new(o, "headroom", json_real(s->headroom_permille / 1000.0));
    json_object_set_new(o, "relays", vn_cli_relays(s->relays, s->n_relays));
    json_object_set_new(o, "drops", counters_json(s->drops, s->n_drops));
    json_object_set_new(o, "counters", counters_json(s->counters, s->n_counters));
    json_t *workers = json_array();
    for (size_t i = 0; i < s->n_workers; i++)
        json_array_append_new(workers,
                              counters_json(s->workers[i]->counters, s->workers[i]->n_counters));
    json_object_set_new(o, "workers", workers);
    json_object_set_new(o, "hints", hints(s));
    return o;
}

static void print_link(const Vn__Local__Link *l)
{
    char tx[32], rx[32];
    vn_cli_bytes(l->tx_bytes, tx);
    vn_cli_bytes(l->rx_bytes, rx);
    printf("    %-12s", l->tag);
    for (size_t i = 0; i < l->n_addrs; i++)
        printf(" %s", l->addrs[i]);
    printf("\n      streams   out: %s, %s;  in: %s, %s\n", l->tx_state[0] ? l->tx_state : "none",
           tx, l->rx ? "open" : "none", rx);
    if (!l->tether)
        return;
    printf("      tether    %s", l->tether_up ? "up" : "connecting");
    if (l->tether_up && l->local[0])
        printf(", %s (%s) - %s (%s), rtt %.1f ms", l->local, l->local_type, l->remote,
               l->remote_type, (double)l->rtt_us / 1000);
    putchar('\n');
}

static void print_drops(const Vn__Local__Status *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n_drops; i++) {
        if (!s->drops[i]->value)
            continue;
        printf(any ? ", %s %" PRIu64 : "  dropped     %s %" PRIu64, s->drops[i]->name,
               s->drops[i]->value);
        any = true;
    }
    if (any)
        putchar('\n');
}

static void print_relaying(const Vn__Local__Status *s)
{
    size_t ready = 0;
    for (size_t i = 0; i < s->n_relays; i++)
        ready += s->relays[i]->ready != 0;
    printf("  relays      %zu known, %zu of them ready; room here %u %%\n", s->n_relays, ready,
           s->headroom_permille / 10);
    if (s->place && s->place->n_at_us == 3 && s->place->error_permille < 1000)
        printf("  coordinate  (%.1f, %.1f, %.1f) ms, height %.1f ms, error %u %%\n",
               s->place->at_us[0] / 1e3, s->place->at_us[1] / 1e3, s->place->at_us[2] / 1e3,
               s->place->height_us / 1e3, s->place->error_permille / 10);
}

static void print_status(const Vn__Local__Status *s)
{
    char up[32];
    vn_cli_duration(s->uptime_ms, up);
    printf("%s is %s, for %s\n", s->tag[0] ? s->tag : "this node", s->state, up);
    if (s->ip4[0]) {
        printf("  addresses   %s  %s\n", s->ip4, s->ip6);
        printf("  node id     %s\n", s->node);
        printf("  realm       %s (suite %s, access by %s)\n", s->realm_name, s->suite, s->access);
        printf("  taints     ");
        for (size_t i = 0; i < s->n_taints; i++)
            printf(" %s", s->taints[i]);
        puts(s->n_taints ? "" : " none");
    }
    if (s->interface[0])
        printf("  interface   %s, MTU %u\n", s->interface, s->mtu);
    printf("  control     %s\n", s->control);
    printf("  Guardian    %s%s\n", s->guardian,
           s->guardian_error[0] ? "  (no session there now)" : "");
    print_relaying(s);
    printf("  links       %zu\n", s->n_links);
    for (size_t i = 0; i < s->n_links; i++)
        print_link(s->links[i]);
    print_drops(s);
    json_t *h = hints(s);
    for (size_t i = 0; i < json_array_size(h); i++)
        printf("  ! %s\n", json_string_value(json_array_get(h, i)));
    json_decref(h);
}

int vn_cmd_status(struct vn_cli *c)
{
    int code;
    Vn__Local__Response *r = vn_cli_status(c, false, &code);
    if (!r)
        return code;
    if (c->o.json)
        vn_cli_print(status_json(r->status));
    else
        print_status(r->status);
    vn__local__response__free_unpacked(r, NULL);
    return VN_EXIT_OK;
}
