#include "support/world_flow.h"

#include "support/test.h"

#define LOOK_MS 5 /* so often it is looked at what came */

void world_flow_init(struct world_flow *f, struct vn_world_node *from, struct vn_world_node *to)
{
    memset(f, 0, sizeof(*f));
    f->from = from;
    f->to = to;
    f->next = 1;
}

static uint64_t now_ms(const struct world_flow *f)
{
    return f->from->world->now_us / 1000;
}

static void drain(struct world_flow *f)
{
    struct vn_pktbuf *b;
    while ((b = vn_pktqueue_pop(&f->to->written))) {
        uint32_t number = vn_inner_number(vn_pktbuf_span(b));
        if (number < WORLD_FLOW_MAX)
            f->come[number] =
                !f->in_time_ms || now_ms(f) - f->sent_ms[number] <= f->in_time_ms + LOOK_MS;
        f->arrived++;
        vn_pktbuf_free(b);
    }
}

static void turn(struct world_flow *f, uint64_t ms)
{
    for (uint64_t left = ms, step; left > 0; left -= step) {
        step = VN_MIN(left, (uint64_t)LOOK_MS);
        vn_world_run(f->from->world, step);
        drain(f);
    }
}

void world_flow_run(struct world_flow *f, uint64_t ms, uint64_t every_ms)
{
    for (uint64_t at = 0; at < ms; at += every_ms) {
        assert_in_range(f->next, 1, WORLD_FLOW_MAX - 1);
        f->sent_ms[f->next] = (uint32_t)now_ms(f);
        vn_world_send(f->from, f->to, false, f->next++);
        turn(f, every_ms);
    }
}

unsigned world_flow_gap(struct world_flow *f, uint32_t since)
{
    unsigned longest = 0, run = 0;
    turn(f, 500);
    for (uint32_t i = since; i < f->next; i++) {
        run = f->come[i] ? 0 : run + 1;
        longest = VN_MAX(longest, run);
    }
    return longest;
}
