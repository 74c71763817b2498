/* KEM steps between whole nodes, hours of them, with messages lost, late and repeated. */
#include <stdlib.h>

#include "core/node_i.h"
#include "core/rx.h"
#include "core/tx.h"
#include "support/node_world.h"
#include "support/test.h"
#include "support/world_way.h"

#include "anchor.pb-c.h"

/* What the path does to messages; each kind counted. */
struct path {
    unsigned lose_control; /* of 100 control packets in-band */
    unsigned lose_next;    /* so many at once */
    bool lose_frames;      /* all of them */
    size_t controls, lost;
    struct vn_pktbuf *kept; /* the last control packet */
};

static struct path path;

static bool filter(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                   struct vn_pktbuf *b)
{
    (void)arg;
    (void)tether;
    if (path.lose_frames && (b->data[0] & 0x0f) == VN_HOP_FRAME)
        return false;
    if (cls != VN_TETHER_CONTROL || (b->data[0] & 0x0f) != VN_HOP_CONTROL || b->len < 1100)
        return true; /* rekey messages are the long ones */
    path.controls++;
    vn_pktbuf_free(path.kept);
    path.kept = vn_inner_copy(vn_pktbuf_span(b));
    bool lose = vn_test_below(100) < path.lose_control;
    if (path.lose_next) {
        path.lose_next--;
        lose = true;
    }
    path.lost += lose;
    return !lose;
}

static struct vn_world w;
static struct vn_world_node *a, *b;

static void start(enum vn_suite suite, unsigned loss_permille)
{
    path = (struct path){0};
    vn_world_init_net(&w, suite,
                      &(struct vn_mem_net_config){.seed = vn_test_random(),
                                                  .delay_us = 2000,
                                                  .jitter_us = loss_permille ? 20000 : 0,
                                                  .loss_permille = loss_permille,
                                                  .filter = filter});
    a = vn_world_add(&w, "alice", "home");
    b = vn_world_add(&w, "bob", "home");
    assert_true(vn_world_ping(a, b, false, 2000) < 1000);
}

static void finish(void)
{
    vn_world_done(&w);
    vn_pktbuf_free(path.kept);
}

static struct vn_stream *rx_of(void)
{
    return vn_stream_by_sid(b->node, &world_tx(a, b)->sid);
}

static struct vn_tx *worker_tx(void)
{
    return vn_map_get(a->worker->tx_by_handle, &world_tx(a, b)->handle);
}

static struct vn_rx *worker_rx(void)
{
    return vn_map_get(b->worker->rx_by_handle, &rx_of()->handle);
}

static uint32_t sent, got;

/* Traffic for so long; every packet arrives, once. */
static void talk(uint64_t seconds, unsigned per_second)
{
    sent = got = 0;
    vn_pktqueue_clear(&b->written);
    for (uint64_t i = 0; i < seconds * per_second; i++) {
        vn_world_send(a, b, false, ++sent);
        vn_world_run(&w, 1000 / per_second);
        got += (uint32_t)b->written.count;
        vn_pktqueue_clear(&b->written);
    }
    vn_world_run(&w, 2000);
    got += (uint32_t)b->written.count;
    vn_pktqueue_clear(&b->written);
    assert_int_equal(sent, got);
}

/* Traffic that nobody hears. */
static void shout(uint64_t seconds, unsigned per_second)
{
    for (uint64_t i = 0; i < seconds * per_second; i++) {
        vn_world_send(a, b, false, ++sent);
        vn_world_run(&w, 1000 / per_second);
    }
}

static void assert_same_keys(void)
{
    struct vn_tx *tx = worker_tx();
    struct vn_rx *rx = worker_rx();
    assert_int_equal(tx->keys.epoch, vn_rx_keys_epoch(&rx->keys));
    assert_memory_equal(tx->keys.ck.b, rx->keys.epochs[0].ck.b, 32);
    assert_memory_equal(&world_tx(a, b)->keys, &rx_of()->keys, sizeof(world_tx(a, b)->keys));
}

static void the_node_keeps_no_chain_key(void **state)
{
    (void)state;
    static const struct vn_secret32 none;
    start(VN_SUITE_DEFAULT, 0);
    assert_memory_equal(&world_tx(a, b)->keys.ck0, &none, sizeof(none));
    assert_memory_equal(&rx_of()->keys.ck0, &none, sizeof(none));
    assert_memory_not_equal(&worker_tx()->keys.ck, &none, sizeof(none));
    finish();
}

static void a_kem_step_every_two_minutes(enum vn_suite suite)
{
    start(suite, 0);
    struct vn_hs_keys before = world_tx(a, b)->keys;
    talk(119, 2);
    assert_int_equal(0, path.controls);
    talk(8, 2);
    assert_int_equal(2, path.controls); /* an offer, an answer */
    assert_memory_not_equal(&before, &world_tx(a, b)->keys, sizeof(before));
    assert_same_keys();
    assert_memory_equal(&world_tx(a, b)->rekey.old.ir, &before.k_ctl_ir, 32);
    talk(VN_EPOCH_KEEP_MS / 1000, 2);
    static const struct vn_ctl_keys none;
    assert_memory_equal(&world_tx(a, b)->rekey.old, &none, sizeof(none));
    assert_memory_equal(&rx_of()->rekey.old, &none, sizeof(none));
    assert_memory_equal(&rx_of()->rekey.next, &none, sizeof(none));
    /* Control packets go both ways under the new keys. */
    vn_world_taints(a, "more", NULL);
    talk(1, 2);
    assert_int_equal(0, vn_world_drops(a) + vn_world_drops(b));
    assert_non_null(rx_of());
    finish();
}

static void default_suite(void **state)
{
    (void)state;
    a_kem_step_every_two_minutes(VN_SUITE_DEFAULT);
}

static void cnsa_suite(void **state)
{
    (void)state;
    a_kem_step_every_two_minutes(VN_SUITE_CNSA);
}

static void lost_messages_are_sent_again(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 4; lost++) {
        start(VN_SUITE_DEFAULT, 0);
        path.lose_next = lost;
        talk(135, 2);
        assert_int_equal(lost, path.lost);
        assert_int_equal(0, worker_tx()->keys.kem_awaited);
        assert_true(worker_tx()->keys.kem_due_us > w.now_us + 90000000); /* it was taken */
        assert_same_keys();
        finish();
    }
}

/* Control packets pass and frames do not, for longer than from one KEM step to the next: only the
 * keys of the second offer tell the destination that the first step was taken. */
static void frames_are_lost_over_two_kem_steps(void **state)
{
    (void)state;
    for (unsigned answers_lost = 0; answers_lost < 2; answers_lost++) {
        start(VN_SUITE_DEFAULT, 0);
        struct vn_id sid = world_tx(a, b)->sid;
        talk(115, 2);
        path.lose_frames = true;
        path.lose_control = answers_lost ? 100 : 0; /* then the first step is not taken */
        shout(20, 2);
        path.lose_control = 0;
        struct vn_ctl_keys first = {world_tx(a, b)->keys.k_ctl_ir, world_tx(a, b)->keys.k_ctl_ri};
        shout(120, 2);
        assert_memory_not_equal(&first.ir, &world_tx(a, b)->keys.k_ctl_ir, 32);
        path.lose_frames = false;
        vn_pktqueue_clear(&b->written);
        talk(30, 2);
        assert_true(vn_id_equal(&sid, &world_tx(a, b)->sid));
        assert_same_keys();
        talk(120, 2); /* and the next step */
        assert_same_keys();
        finish();
    }
}

/* All answers are lost: the source goes on alone, and tries again. */
static void without_answer_the_stream_goes_on(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 0);
    path.lose_control = 100;
    struct vn_hs_keys before = world_tx(a, b)->keys;
    talk(300, 2);
    assert_memory_equal(&before, &world_tx(a, b)->keys, sizeof(before));
    assert_true(worker_tx()->keys.epoch > 10);
    assert_int_equal(worker_tx()->keys.epoch, vn_rx_keys_epoch(&worker_rx()->keys));
    path.lose_control = 0;
    talk(30, 2);
    assert_memory_not_equal(&before, &world_tx(a, b)->keys, sizeof(before));
    assert_same_keys();
    finish();
}

/* More epochs without a frame than the receiver looks ahead, and no KEM step: the stream is made
 * anew. */
static void frames_are_lost_for_too_long(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 0);
    path.lose_frames = true;
    path.lose_control = 100;
    struct vn_id sid = world_tx(a, b)->sid;
    while (worker_tx()->keys.epoch <= vn_rx_keys_epoch(&worker_rx()->keys) + VN_REKEY_AHEAD_MAX)
        shout(1, 2);
    assert_memory_equal(&sid, &world_tx(a, b)->sid, sizeof(sid));
    path.lose_frames = false;
    path.lose_control = 0;
    shout(2, 2);
    assert_memory_not_equal(&sid, &world_tx(a, b)->sid, sizeof(sid));
    talk(30, 2);
    assert_same_keys();
    finish();
}

/* Whatever came once, may come again, and later: it changes nothing. */
static void repeated_messages_change_nothing(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 0);
    talk(130, 2);
    struct vn_hs_keys keys = world_tx(a, b)->keys;
    struct vn_span answer =
        VN_SPAN(path.kept->data + VN_HOP_HEADER_LEN, path.kept->len - VN_HOP_HEADER_LEN);
    struct vn_ctl_from from = {.node = vn_world_status(b).node};
    uint64_t drops = vn_world_drops(a);
    vn_ctl_input(a->node, answer, &from);
    assert_int_equal(drops + 1, vn_world_drops(a)); /* the replay window */
    /* The same messages anew, as an end that repeats itself would send them. */
    Vn__RekeyAnswer ra = VN__REKEY_ANSWER__INIT;
    ra.epoch = world_tx(a, b)->rekey.epoch;
    ra.ct = (ProtobufCBinaryData){rx_of()->rekey.ct.len, rx_of()->rekey.ct.p};
    vn_rekey_on_answer(a->node, world_tx(a, b), &ra);
    vn_rekey_on_answer(b->node, rx_of(), &ra); /* to the wrong end */
    assert_int_equal(1, vn_world_status(b).drops[VN_NDROP_BODY]);
    uint8_t ek[1216] = {1};
    Vn__RekeyOffer ro = VN__REKEY_OFFER__INIT;
    ro.epoch = rx_of()->rekey.epoch; /* another key for an epoch that was offered */
    ro.ek = (ProtobufCBinaryData){sizeof(ek), ek};
    vn_rekey_on_offer(b->node, rx_of(), &ro);
    ro.epoch -= 1;
    vn_rekey_on_offer(b->node, rx_of(), &ro);
    ro.ek.len--;
    vn_rekey_on_offer(b->node, rx_of(), &ro);
    vn_rekey_on_offer(a->node, world_tx(a, b), &ro);
    assert_int_equal(2, vn_world_status(b).drops[VN_NDROP_BODY]);
    assert_int_equal(1, vn_world_status(a).drops[VN_NDROP_BODY]);
    talk(30, 2);
    assert_memory_equal(&keys, &world_tx(a, b)->keys, sizeof(keys));
    assert_same_keys();
    finish();
}

/* Control packets of both sides of a change of keys. */
static void packets_under_old_keys_still_count(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 0);
    struct vn_hs_keys old = world_tx(a, b)->keys;
    talk(130, 2);
    Vn__Bound bound = VN__BOUND__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    m.kind_case = VN__STREAM_CONTROL__KIND_BOUND;
    m.bound = &bound;
    struct vn_ctl_from from = {.node = vn_world_status(b).node};
    for (uint64_t i = 0; i < 2; i++) {
        struct vn_buf body, packet;
        vn_buf_init(&body, 1000);
        vn_buf_init(&packet, 1000);
        assert_ok(vn_pb_pack(&m.base, &body));
        assert_ok(vn_control_seal(a->node->suite, &old.k_ctl_ri, &world_tx(a, b)->sid, 500 + i,
                                  vn_buf_span(&body), &packet));
        uint64_t circuit = vn_world_status(a).drops[VN_NDROP_CIRCUIT];
        uint64_t control = vn_world_status(a).drops[VN_NDROP_CONTROL];
        vn_ctl_input(a->node, vn_buf_span(&packet), &from);
        /* It was opened, and then is not what is awaited; after a minute it is not opened. */
        assert_int_equal(circuit + (i == 0), vn_world_status(a).drops[VN_NDROP_CIRCUIT]);
        assert_int_equal(control + (i == 1), vn_world_status(a).drops[VN_NDROP_CONTROL]);
        vn_buf_done(&body);
        vn_buf_done(&packet);
        talk(62, 2);
    }
    finish();
}

static void hours_on_a_bad_path(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 30);
    path.lose_control = 30;
    uint32_t epochs = 0;
    for (int i = 0; i < 8; i++) {
        talk(900, 5);
        struct vn_tx *tx = worker_tx();
        assert_true(tx->keys.epoch > 0);
        epochs += tx->keys.epoch;
        assert_int_equal(0, vn_world_status(b).drops[VN_NDROP_BODY]);
    }
    assert_true(epochs > 80);
    assert_true(path.controls > 100 && path.lost > 20);
    assert_same_keys();
    finish();
}

/* The stream is on another tether when the answer comes. */
static void a_step_while_the_stream_moves(void **state)
{
    (void)state;
    start(VN_SUITE_DEFAULT, 0);
    path.lose_next = 2;
    while (path.lost == 0)
        talk(1, 2);
    struct vn_id sid = world_tx(a, b)->sid;
    vn_mem_net_break(w.net, VN_TETHER_DOWN_SILENT);
    talk(20, 2);
    assert_true(vn_id_equal(&sid, &world_tx(a, b)->sid));
    assert_true(worker_tx()->keys.kem_due_us > w.now_us + 90000000);
    assert_same_keys();
    /* And once more afterwards: the keys of both ends go on. */
    vn_mem_net_break(w.net, VN_TETHER_DOWN_SILENT);
    talk(120, 2);
    assert_same_keys();
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_node_keeps_no_chain_key),
        cmocka_unit_test(default_suite),
        cmocka_unit_test(cnsa_suite),
        cmocka_unit_test(lost_messages_are_sent_again),
        cmocka_unit_test(frames_are_lost_over_two_kem_steps),
        cmocka_unit_test(without_answer_the_stream_goes_on),
        cmocka_unit_test(frames_are_lost_for_too_long),
        cmocka_unit_test(repeated_messages_change_nothing),
        cmocka_unit_test(packets_under_old_keys_still_count),
        cmocka_unit_test(a_step_while_the_stream_moves),
        cmocka_unit_test(hours_on_a_bad_path),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
