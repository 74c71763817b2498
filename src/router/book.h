/*
 * Which relays are worth an arm (DESIGN section 10). A node keeps a book of at most 64 relays that
 * it heard of, whatever the size of the network, and takes from it for each destination
 *
 *   near source       the 6 nearest to itself
 *   hubs              the 6 with the shortest way to the destination over them
 *   near destination  the 6 that the destination's descriptor names
 *
 * Distances are guessed from coordinates, until a round trip to the relay was measured: what it
 * says of its place then counts no more. Pure; one thread at a time.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "router/ccx.h"
#include "router/coord.h"

#define VN_BOOK_MAX 64
#define VN_NEAR_MAX 6
#define VN_CANDIDATES_MAX (3 * VN_NEAR_MAX)

static_assert(VN_CANDIDATES_MAX < VN_CCX_ARMS_MAX, "there is room for the direct path as well");

struct vn_relay {
    uint64_t key;       /* the caller's name of the relay */
    struct vn_coord at; /* as it says */
    uint32_t rtt_us;    /* measured; 0: not yet */
    uint32_t heard;     /* the book's count when it was last heard of */
    uint16_t failures;  /* in a row: paths over it that ended, SETUPs without an answer */
};

struct vn_book {
    uint64_t self; /* never listed */
    size_t count;
    uint32_t heard;
    struct vn_relay relays[VN_BOOK_MAX];
};

void vn_book_init(struct vn_book *b, uint64_t self);
/**
 * Heard of a relay, from itself or from others. A full book gives up whoever was not heard of for
 * longest and is not among the nearest. at is valid and is copied.
 */
void vn_book_hear(struct vn_book *b, uint64_t key, const struct vn_coord *at,
                  const struct vn_coord *self_at);
void vn_book_measured(struct vn_book *b, uint64_t key, uint32_t rtt_us);
/** It did not answer, or a path over it ended. After three in a row it is forgotten. */
void vn_book_failed(struct vn_book *b, uint64_t key);
/** It is none any more. */
void vn_book_forget(struct vn_book *b, uint64_t key);
const struct vn_relay *vn_book_find(const struct vn_book *b, uint64_t key);
/** The nearest to self_at first. */
size_t vn_book_near(const struct vn_book *b, const struct vn_coord *self_at,
                    uint64_t ret[VN_NEAR_MAX]);

enum vn_candidate_kind { VN_NEAR_SOURCE, VN_NEAR_DESTINATION, VN_HUB };
struct vn_relay_candidate {
    uint64_t key;
    enum vn_candidate_kind kind;
};

/** A destination, as its descriptor has it. */
struct vn_descriptor_place {
    uint64_t key;
    struct vn_coord at;
    size_t near_count;
    struct vn_relay near[VN_NEAR_MAX]; /* key and at */
};

/** The relays to try for a destination, each once, neither end among them. */
size_t vn_candidates(const struct vn_book *b, const struct vn_coord *self_at,
                     const struct vn_descriptor_place *to,
                     struct vn_relay_candidate ret[VN_CANDIDATES_MAX]);
/**
 * Puts candidates among the arms of c, an arm's key being its relay's: at first as many as fit,
 * then in place of those that did worst and are not listed. Arms in use, pinned and standbys stay.
 *
 * @param most  how many new arms at most: each costs a set-up
 * @return how many were added; they are the last arms of c
 */
size_t vn_candidates_apply(struct vn_ccx *c, uint64_t direct, const struct vn_relay_candidate *list,
                           size_t count, size_t most);
