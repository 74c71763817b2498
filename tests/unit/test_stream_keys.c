/* Both ends' keys of one stream, without anything around them. */
#include <stdlib.h>

#include "core/rx_keys.h"
#include "core/tx_keys.h"
#include "support/test.h"

#define SECOND_US UINT64_C(1000000)

static struct vn_tx_keys tx;
static struct vn_rx_keys rx;
static uint64_t now_us;

static int setup(void **state)
{
    static const struct vn_secret32 ck = {{9, 8, 7}};
    *state = NULL;
    now_us = 5 * SECOND_US;
    assert_ok(vn_tx_keys_init(&tx, VN_SHA256, 3, 0, &ck, now_us));
    vn_rx_keys_init(&rx, VN_SHA256, 0, &ck, now_us);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vn_tx_keys_done(&tx);
    vn_rx_keys_done(&rx);
    return 0;
}

struct frame {
    uint8_t header[VN_E2E_HEADER_LEN], text[8], tag[VN_AEAD_TAG_LEN];
};

static struct frame seal(void)
{
    struct frame f;
    memcpy(f.text, "a packet", sizeof(f.text));
    assert_ok(vn_tx_keys_ready(&tx, now_us));
    assert_ok(vn_tx_keys_seal(&tx, 1, f.header, f.text, sizeof(f.text), f.tag));
    return f;
}

static enum vn_worker_drop open(struct frame f)
{
    struct vn_e2e_header h;
    struct vn_reader r = vn_reader_of(VN_SPAN_ARRAY(f.header));
    assert_true(vn_e2e_decode(&r, &h));
    uint8_t bytes[sizeof(f.text) + sizeof(f.tag)];
    memcpy(bytes, f.text, sizeof(f.text));
    memcpy(bytes + sizeof(f.text), f.tag, sizeof(f.tag));
    enum vn_worker_drop why =
        vn_rx_keys_open(&rx, &h, VN_SPAN_ARRAY(f.header), bytes, sizeof(f.text), now_us);
    if (why == VN_DROP_COUNT)
        assert_memory_equal(bytes, "a packet", sizeof(f.text));
    return why;
}

static void assert_opens(struct frame f)
{
    assert_int_equal(VN_DROP_COUNT, open(f));
}

/* One frame per epoch from the next one on. */
static struct frame next_epoch(void)
{
    uint32_t before = tx.epoch;
    now_us += 10 * SECOND_US;
    struct frame f = seal();
    assert_int_equal(before + 1, tx.epoch);
    return f;
}

static struct vn_kem_step step_of(uint8_t n)
{
    struct vn_kem_step s = {.ss = {.b = {n}, .n = 64}, .digest = {.b = {n, 1}, .n = 32}};
    return s;
}

static void a_step_every_ten_seconds_while_sending(void **state)
{
    (void)state;
    seal();
    now_us += 9999999;
    seal();
    assert_int_equal(0, tx.epoch);
    now_us += 1;
    assert_opens(seal());
    assert_int_equal(1, tx.epoch);
    assert_int_equal(1, vn_rx_keys_epoch(&rx));
    /* Silence steps once, not once for each ten seconds. */
    now_us += 1000 * SECOND_US;
    assert_opens(seal());
    assert_int_equal(2, tx.epoch);
    assert_int_equal(4, tx.seq); /* goes on */
}

static void limits_of_a_key_begin_an_epoch(void **state)
{
    (void)state;
    tx.frames = VN_LANE_FRAMES_MAX - 1;
    assert_opens(seal());
    assert_int_equal(0, tx.epoch);
    assert_opens(seal());
    assert_int_equal(1, tx.epoch);
    tx.bytes = VN_LANE_BYTES_MAX - VN_FRAME_MAX;
    assert_opens(seal());
    assert_int_equal(2, tx.epoch);
    /* Also while a KEM step is awaited, which then comes too late. */
    now_us += VN_REKEY_KEM_MS * UINT64_C(1000);
    assert_opens(seal());
    assert_int_equal(3, tx.epoch);
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
    struct vn_kem_step step = step_of(1);
    struct vn_ctl_keys ctl;
    tx.frames = VN_LANE_FRAMES_MAX;
    assert_opens(seal());
    assert_int_equal(4, tx.epoch);
    assert_status(VN_ERR_EXISTS, vn_tx_keys_kem(&tx, 4, &step, now_us, &ctl));
    /* And the last epoch of all is the end. */
    tx.epoch = UINT32_MAX;
    tx.frames = VN_LANE_FRAMES_MAX;
    assert_status(VN_ERR_LIMIT, vn_tx_keys_ready(&tx, now_us));
}

/* A lane of another worker: it makes no step, and the limits of a key hold however often it is
 * given the same one. */
static void who_follows_seals_with_what_it_is_given(void **state)
{
    (void)state;
    struct vn_lane_keys keys[2];
    struct vn_tx_keys lane = {0};
    assert_ok(vn_tx_keys_lane(&tx, 5, &keys[0]));
    tx.frames = VN_LANE_FRAMES_MAX;
    assert_ok(vn_tx_keys_ready(&tx, now_us));
    assert_ok(vn_tx_keys_lane(&tx, 5, &keys[1]));
    vn_tx_keys_done(&tx);
    assert_ok(vn_tx_keys_follow(&lane, 5, 0, &keys[0], now_us));
    tx = lane;
    now_us += 2 * VN_REKEY_KEM_MS * UINT64_C(1000);
    assert_opens(seal());
    assert_int_equal(0, tx.epoch);
    assert_false(vn_tx_keys_kem_due(&tx, now_us));
    tx.frames = VN_LANE_FRAMES_MAX;
    assert_ok(vn_tx_keys_follow(&tx, 5, 0, &keys[0], now_us));
    assert_status(VN_ERR_AGAIN, vn_tx_keys_ready(&tx, now_us));
    assert_ok(vn_tx_keys_follow(&tx, 5, 1, &keys[1], now_us));
    assert_opens(seal());
    assert_ok(vn_tx_keys_follow(&tx, 5, 0, &keys[0], now_us));
    assert_int_equal(1, tx.epoch);
    assert_opens(seal());
    assert_int_equal(3, tx.seq);
}

static void old_epochs_stay_for_late_frames(void **state)
{
    (void)state;
    struct frame first = seal(), late[8];
    for (size_t i = 0; i < VN_ARRAY_LEN(late); i++) {
        late[i] = seal();
        assert_opens(next_epoch());
    }
    /* Epoch 0 ended at 10 s, and it is 80 s. */
    assert_int_equal(VN_DROP_EPOCH_UNKNOWN, open(first));
    now_us -= 10 * SECOND_US + 1; /* 60 s after it ended, less a little */
    assert_opens(first);
    now_us += 10 * SECOND_US + 1;
    assert_opens(late[2]);
    assert_int_equal(9, rx.count);
    vn_rx_keys_tick(&rx, now_us);
    assert_int_equal(7, rx.count);
    uint64_t next = vn_rx_keys_tick(&rx, now_us);
    assert_int_equal(now_us + 10 * SECOND_US, next);
    assert_int_equal(UINT64_MAX, vn_rx_keys_tick(&rx, now_us + 60 * SECOND_US));
    assert_int_equal(1, rx.count);
}

static void at_most_eight_old_epochs(void **state)
{
    (void)state;
    struct frame f[20];
    for (size_t i = 0; i < VN_ARRAY_LEN(f); i++) {
        f[i] = seal();
        tx.frames = VN_LANE_FRAMES_MAX; /* many at once: by the limit, not by time */
        assert_opens(seal());
        now_us += 100000;
    }
    assert_int_equal(1 + VN_EPOCHS_OLD_MAX, rx.count);
    assert_opens(f[12]);
    assert_int_equal(VN_DROP_EPOCH_UNKNOWN, open(f[11]));
}

static void sixteen_steps_ahead_and_no_more(void **state)
{
    (void)state;
    struct frame f[17];
    for (size_t i = 0; i < VN_ARRAY_LEN(f); i++)
        f[i] = next_epoch();
    assert_int_equal(VN_DROP_EPOCH_UNKNOWN, open(f[16]));
    assert_int_equal(0, vn_rx_keys_epoch(&rx));
    assert_opens(f[15]);
    assert_int_equal(16, vn_rx_keys_epoch(&rx));
    assert_opens(f[14]); /* those between are open too */
    assert_opens(f[8]);
    assert_opens(f[16]);
}

static void only_a_valid_tag_moves_on(void **state)
{
    (void)state;
    struct frame f = next_epoch(), good = f;
    for (unsigned i = 0; i < 1000; i++) {
        f.tag[i % 16] ^= 1;
        enum vn_worker_drop why = open(f);
        assert_true(why == VN_DROP_TAG || why == VN_DROP_EPOCH_UNKNOWN);
        assert_int_equal(why == VN_DROP_TAG, i < VN_REKEY_AHEAD_BURST); /* forgeries are rationed */
        f.tag[i % 16] ^= 1;
    }
    assert_int_equal(0, vn_rx_keys_epoch(&rx));
    assert_int_equal(1, rx.count);
    now_us += SECOND_US;
    assert_opens(good);
    assert_int_equal(1, vn_rx_keys_epoch(&rx));
}

static void a_kem_step_is_asked_for_and_taken(void **state)
{
    (void)state;
    assert_false(vn_tx_keys_kem_due(&tx, now_us));
    for (unsigned i = 0; i < 12; i++)
        assert_opens(next_epoch());
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
    assert_false(vn_tx_keys_kem_due(&tx, now_us)); /* once */
    struct vn_kem_step step = step_of(1);
    struct vn_ctl_keys at_tx, at_rx;
    struct frame late = seal();
    assert_ok(vn_rx_keys_kem(&rx, 13, 0, &step, now_us, &at_rx));
    assert_opens(seal()); /* announced, not taken */
    assert_int_equal(12, vn_rx_keys_epoch(&rx));
    assert_ok(vn_tx_keys_kem(&tx, 13, &step, now_us, &at_tx));
    assert_memory_equal(&at_tx, &at_rx, sizeof(at_tx));
    assert_int_equal(13, tx.epoch);
    assert_opens(seal());
    assert_true(rx.kem_taken);
    assert_false(rx.kem_pending);
    assert_memory_equal(rx.epochs[0].ck.b, tx.ck.b, 32);
    assert_opens(late);
    assert_opens(next_epoch());
    assert_status(VN_ERR_EXISTS, vn_rx_keys_kem(&rx, 14, 0, &step, now_us, &at_rx));
    assert_status(VN_ERR_LIMIT,
                  vn_rx_keys_kem(&rx, 14 + VN_REKEY_AHEAD_MAX + 1, 0, &step, now_us, &at_rx));
    assert_false(vn_tx_keys_kem_due(&tx, now_us));
    now_us += VN_REKEY_KEM_MS * UINT64_C(1000);
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
}

static void a_volume_makes_a_kem_step_due(void **state)
{
    (void)state;
    tx.kem_bytes = VN_REKEY_KEM_BYTES;
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
    vn_tx_keys_kem_failed(&tx, now_us);
    assert_false(vn_tx_keys_kem_due(&tx, now_us));
    now_us += VN_REKEY_RETRY_MS * UINT64_C(1000);
    assert_opens(seal()); /* steps: see below */
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
}

/* Of two offers for one epoch the second's key could get what answers the first. */
static void no_epoch_is_offered_twice(void **state)
{
    (void)state;
    now_us += VN_REKEY_KEM_MS * UINT64_C(1000);
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
    vn_tx_keys_kem_failed(&tx, now_us);
    now_us += VN_REKEY_RETRY_MS * UINT64_C(1000);
    assert_false(vn_tx_keys_kem_due(&tx, now_us)); /* no memory for a step since */
    assert_opens(seal());
    assert_int_equal(1, tx.epoch);
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
}

/* The destination has steps to make to the epoch before, and sees a later one first. */
static void a_kem_step_among_symmetric_ones(void **state)
{
    (void)state;
    struct frame before[3], after[3];
    for (size_t i = 0; i < 3; i++)
        before[i] = next_epoch();
    struct vn_kem_step step = step_of(2);
    struct vn_ctl_keys at_tx, at_rx;
    assert_ok(vn_rx_keys_kem(&rx, 4, 0, &step, now_us, &at_rx));
    assert_ok(vn_tx_keys_kem(&tx, 4, &step, now_us, &at_tx));
    assert_memory_equal(&at_tx, &at_rx, sizeof(at_tx));
    after[0] = seal();
    after[1] = next_epoch();
    after[2] = next_epoch();
    assert_opens(before[1]);
    assert_opens(after[1]); /* over the KEM step in one go */
    assert_true(rx.kem_taken);
    for (size_t i = 0; i < 3; i++) {
        assert_opens(before[i]);
        assert_opens(after[i]);
    }
}

/* The answer never came: the source went on without it. */
static void a_kem_step_that_was_given_up(void **state)
{
    (void)state;
    struct vn_kem_step step = step_of(3);
    struct vn_ctl_keys ctl;
    now_us += VN_REKEY_KEM_MS * UINT64_C(1000);
    assert_opens(seal());
    assert_true(vn_tx_keys_kem_due(&tx, now_us));
    assert_ok(vn_rx_keys_kem(&rx, 2, 0, &step, now_us, &ctl));
    now_us += VN_REKEY_RETRY_MS * UINT64_C(1000) - 1;
    assert_opens(seal());
    assert_int_equal(1, tx.epoch); /* no symmetric step while it waits */
    now_us += 1;
    assert_opens(seal());
    assert_int_equal(2, tx.epoch);
    assert_int_equal(2, vn_rx_keys_epoch(&rx));
    assert_false(rx.kem_taken);
    assert_false(rx.kem_pending);
    /* The answer comes now. */
    assert_status(VN_ERR_EXISTS, vn_tx_keys_kem(&tx, 2, &step, now_us, &ctl));
    assert_opens(next_epoch());
}

/* No frame of the first step's epochs arrived; the destination hears of the second. */
static void a_kem_step_after_one_that_nothing_was_seen_of(void **state)
{
    (void)state;
    struct vn_kem_step first = step_of(4), second = step_of(5);
    struct vn_ctl_keys at_tx, at_rx;
    struct frame late = seal();
    assert_ok(vn_rx_keys_kem(&rx, 1, 0, &first, now_us, &at_rx));
    assert_ok(vn_tx_keys_kem(&tx, 1, &first, now_us, &at_tx));
    for (unsigned i = 0; i < 11; i++)
        next_epoch();
    struct frame last = next_epoch();
    assert_int_equal(13, tx.epoch);
    assert_ok(vn_rx_keys_kem(&rx, 14, 1, &second, now_us, &at_rx));
    assert_int_equal(1, vn_rx_keys_epoch(&rx)); /* that much is known */
    assert_false(rx.kem_taken);                 /* and to the caller too */
    assert_ok(vn_tx_keys_kem(&tx, 14, &second, now_us, &at_tx));
    assert_memory_equal(&at_tx, &at_rx, sizeof(at_tx));
    assert_opens(late);
    assert_opens(seal());
    assert_true(rx.kem_taken);
    assert_opens(last);
    assert_memory_equal(rx.epochs[0].ck.b, tx.ck.b, 32);
}

/* The same, and the source did not take the first: its epoch began by a symmetric step. */
static void a_kem_step_after_one_that_was_not_taken(void **state)
{
    (void)state;
    struct vn_kem_step first = step_of(6), second = step_of(7);
    struct vn_ctl_keys at_tx, at_rx;
    assert_ok(vn_rx_keys_kem(&rx, 1, 0, &first, now_us, &at_rx));
    for (unsigned i = 0; i < 3; i++)
        next_epoch();
    assert_ok(vn_rx_keys_kem(&rx, 4, 0, &second, now_us, &at_rx));
    assert_ok(vn_tx_keys_kem(&tx, 4, &second, now_us, &at_tx));
    assert_memory_equal(&at_tx, &at_rx, sizeof(at_tx));
    assert_opens(seal());
}

/* ---- no key with a nonce twice ---- */

struct use {
    uint8_t key[32], nonce[12];
};

static int compare_uses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct use));
}

static void no_nonce_twice_under_a_key(void **state)
{
    (void)state;
    enum { FRAMES = 20000 };
    static struct use uses[FRAMES];
    uint64_t last_seq = 0;
    uint32_t last_epoch = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        struct vn_ctl_keys ctl;
        struct vn_kem_step step = step_of((uint8_t)vn_test_below(256));
        switch (vn_test_below(12)) {
        case 0:
            now_us += vn_test_below(15 * SECOND_US);
            break;
        case 1:
            tx.frames = VN_LANE_FRAMES_MAX - vn_test_below(3);
            break;
        case 2:
            (void)!vn_tx_keys_kem(&tx, tx.epoch + (uint32_t)vn_test_below(3), &step, now_us, &ctl);
            break;
        case 3:
            if (vn_tx_keys_kem_due(&tx, now_us) && vn_test_below(2))
                vn_tx_keys_kem_failed(&tx, now_us);
            break;
        }
        struct frame f = seal();
        struct vn_e2e_header h;
        struct vn_reader r = vn_reader_of(VN_SPAN_ARRAY(f.header));
        assert_true(vn_e2e_decode(&r, &h));
        assert_true(i == 0 || h.seq == last_seq + 1);
        assert_true(h.epoch >= last_epoch && h.epoch == tx.epoch);
        last_seq = h.seq;
        last_epoch = h.epoch;
        struct vn_lane_keys keys;
        assert_ok(vn_lane_keys_derive(VN_SHA256, &tx.ck, 3, &keys));
        memcpy(uses[i].key, keys.key.b, 32);
        vn_lane_nonce(keys.iv, h.seq, uses[i].nonce);
        /* That this is what sealed it, the receiver shows. */
        struct vn_aead *a = NULL;
        assert_ok(vn_aead_new(&keys.key, &a));
        assert_ok(vn_aead_open(a, uses[i].nonce, VN_SPAN_ARRAY(f.header), VN_SPAN_ARRAY(f.text),
                               f.tag, f.text));
        vn_aead_free(a);
    }
    qsort(uses, FRAMES, sizeof(uses[0]), compare_uses);
    for (size_t i = 1; i < FRAMES; i++)
        assert_int_not_equal(0, compare_uses(&uses[i - 1], &uses[i]));
    assert_true(last_epoch > 1000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_step_every_ten_seconds_while_sending),
        T(limits_of_a_key_begin_an_epoch),
        T(who_follows_seals_with_what_it_is_given),
        T(old_epochs_stay_for_late_frames),
        T(at_most_eight_old_epochs),
        T(sixteen_steps_ahead_and_no_more),
        T(only_a_valid_tag_moves_on),
        T(a_kem_step_is_asked_for_and_taken),
        T(a_volume_makes_a_kem_step_due),
        T(no_epoch_is_offered_twice),
        T(a_kem_step_among_symmetric_ones),
        T(a_kem_step_that_was_given_up),
        T(a_kem_step_after_one_that_nothing_was_seen_of),
        T(a_kem_step_after_one_that_was_not_taken),
        T(no_nonce_twice_under_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
