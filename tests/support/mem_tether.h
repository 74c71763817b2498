/*
 * Tethers in memory, with a virtual clock: the port ports/tether.h for tests and the simulator. Two
 * ends opened with the same tether id are one tether. It comes up when both were started, each
 * names the other's ICE parameters, the keys are equal and one has heard a candidate of the other;
 * else it goes down for the reason a real one would.
 */
#pragma once

#include "ports/tether.h"

struct vn_mem_net;

struct vn_mem_net_config {
    uint64_t seed;
    uint64_t delay_us;      /* one way */
    uint64_t jitter_us;     /* added, 0..jitter: reorders real-time and bulk, never control */
    unsigned loss_permille; /* real-time: given up; others: later by retransmit_us */
    uint64_t retransmit_us; /* 0: 3 x delay */
    size_t window_bytes;    /* in flight per end and class before `send` refuses; 0: 1 MB */
    uint64_t connect_us;    /* from both started to `up`; 0: 4 x delay */
    uint64_t rate;          /* bytes a second that stats tell; 0: not known */
    uint64_t candidate_us;  /* from open to the only candidate; 0: at once */
    void *arg;
    /** Sees, and may change, every message on its way; false drops it. May be NULL. */
    bool (*filter)(void *arg, const struct vn_id *tether, enum vn_tether_class cls,
                   struct vn_pktbuf *b);
    uint64_t give_up_us; /* what filter drops of bulk is given up after so long; 0: never */
};

VN_MUST_CHECK vn_status vn_mem_net_new(const struct vn_mem_net_config *cfg, uint64_t now_us,
                                       struct vn_mem_net **ret);
/** After all ends were closed. Returns NULL. */
struct vn_mem_net *vn_mem_net_free(struct vn_mem_net *n);
/** The keys given last, borrowed, and how many public nodes came with them. */
const struct vn_stun_keys *vn_mem_net_stun_keys(const struct vn_mem_net *n, size_t *ret_servers);
/** The same port for every worker; lives as long as the network. */
const struct vn_tether_port *vn_mem_net_port(struct vn_mem_net *n);
/** The port of one worker, 1..VN_MEM_OWNERS, so that its tethers can be told from others. */
#define VN_MEM_OWNERS 19
const struct vn_tether_port *vn_mem_net_port_of(struct vn_mem_net *n, unsigned owner);
/** No tether between these two comes up, and one that is up goes silent: what is sent is lost, and
 * VN_MEM_SILENT_US later both ends go down. */
#define VN_MEM_SILENT_US 3000000
void vn_mem_net_cut(struct vn_mem_net *n, unsigned a, unsigned b, bool cut);
/** What this owner sends and gets takes so much longer, on each of its tethers. */
void vn_mem_net_slow(struct vn_mem_net *n, unsigned owner, uint64_t us);
/** Messages that this owner sent in that class, and their bytes, ever; what is lost counts. */
struct vn_mem_sent {
    uint64_t count, bytes;
};
struct vn_mem_sent vn_mem_net_sent(const struct vn_mem_net *n, unsigned owner,
                                   enum vn_tether_class cls);
/** Of what this owner sends so much is lost besides, on each of its tethers: as loss_permille. */
void vn_mem_net_lossy(struct vn_mem_net *n, unsigned owner, unsigned permille);
/** Every tether of this owner goes down at both ends at the next run. */
void vn_mem_net_break_of(struct vn_mem_net *n, unsigned owner, enum vn_tether_down why);

/** Makes every callback due until now, in order of time. */
void vn_mem_net_run(struct vn_mem_net *n, uint64_t now_us);
/** When the next callback is due; UINT64_MAX: none. */
uint64_t vn_mem_net_next(const struct vn_mem_net *n);
/** Ends that are open. */
size_t vn_mem_net_count(const struct vn_mem_net *n);
/** Every tether that is open goes down at both ends at the next run. */
void vn_mem_net_break(struct vn_mem_net *n, enum vn_tether_down why);
/** The ends with this role lose their address at the next run. */
void vn_mem_net_strand(struct vn_mem_net *n, bool controlling);
/** Restarts that were needed, and done at both ends. */
size_t vn_mem_net_moved(const struct vn_mem_net *n);
/** They may find a better pair. */
void vn_mem_net_better(struct vn_mem_net *n, bool controlling);
/** Each tether of `owner` with `peer` tells that end, at the next run, that it is worn. */
void vn_mem_net_wear(struct vn_mem_net *n, unsigned owner, unsigned peer);
/** Messages wait undelivered until resumed: a slow neighbour. */
void vn_mem_net_stall(struct vn_mem_net *n, const struct vn_id *tether, bool stalled);
