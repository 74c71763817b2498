#include "router/coord.h"

#include "base/attr.h"

/* Section 3.3: c_c and c_e, both 0.25. */
#define GAIN_SHIFT 2
#define HEIGHT_MIN_US 100
/* A peer cannot claim to be surer than that, so none moves others at its will. */
#define ERROR_MIN_Q16 (VN_Q16 / 32)

void vn_coord_init(struct vn_coord *c)
{
    *c = (struct vn_coord){.height_us = HEIGHT_MIN_US, .error_q16 = VN_Q16};
}

bool vn_coord_is_valid(const struct vn_coord *c)
{
    for (int i = 0; i < VN_COORD_DIMS; i++)
        if (c->x_us[i] < -VN_COORD_MAX_US || c->x_us[i] > VN_COORD_MAX_US)
            return false;
    return c->height_us <= VN_COORD_MAX_US && c->error_q16 <= VN_Q16;
}

uint32_t vn_coord_rtt_us(const struct vn_coord *a, const struct vn_coord *b)
{
    uint64_t sum = 0;
    for (int i = 0; i < VN_COORD_DIMS; i++) {
        int64_t d = (int64_t)a->x_us[i] - b->x_us[i];
        sum += (uint64_t)(d * d);
    }
    return vn_isqrt(sum) + a->height_us + b->height_us;
}

static int32_t clamp(int64_t v, int64_t least)
{
    v = VN_MIN(v, (int64_t)VN_COORD_MAX_US);
    return (int32_t)VN_MAX(v, least);
}

void vn_coord_update(struct vn_coord *self, const struct vn_coord *peer, uint32_t rtt_us,
                     struct vn_dice *dice)
{
    rtt_us = VN_MIN(rtt_us, (uint32_t)VN_COORD_MAX_US);
    rtt_us = VN_MAX(rtt_us, 1u);
    uint32_t guess = vn_coord_rtt_us(self, peer);
    /* Counted up to the round trip itself, so that who claims to be far away moves nobody far. */
    uint32_t off = guess > rtt_us ? VN_MIN(guess - rtt_us, rtt_us) : rtt_us - guess;
    uint32_t peer_error = VN_MAX(peer->error_q16, ERROR_MIN_Q16);
    /* w = e_i / (e_i + e_j): who knows less moves more. */
    uint32_t gain =
        vn_q16_ratio(self->error_q16, self->error_q16 + peer_error, VN_Q16) >> GAIN_SHIFT;
    uint32_t sample = vn_q16_ratio(off, rtt_us, VN_Q16);
    self->error_q16 =
        (uint32_t)(((uint64_t)sample * gain + (uint64_t)self->error_q16 * (VN_Q16 - gain)) >> 16);
    int64_t step = (int64_t)((uint64_t)off * gain / VN_Q16);
    if (guess > rtt_us)
        step = -step;
    uint32_t heights = self->height_us + peer->height_us;
    if (guess == heights) { /* at the same place: any direction */
        int32_t *x = &self->x_us[vn_dice_below(dice, VN_COORD_DIMS)];
        *x = clamp(*x + (vn_dice_below(dice, 2) ? step : -step), -VN_COORD_MAX_US);
        return;
    }
    /* Section 5.4: [x, h] - [y, g] = [x - y, h + g], and its length is |x - y| + h + g. */
    for (int i = 0; i < VN_COORD_DIMS; i++) {
        int64_t d = (int64_t)self->x_us[i] - peer->x_us[i];
        self->x_us[i] = clamp(self->x_us[i] + step * d / guess, -VN_COORD_MAX_US);
    }
    self->height_us =
        (uint32_t)clamp((int64_t)self->height_us + step * heights / guess, HEIGHT_MIN_US);
}
