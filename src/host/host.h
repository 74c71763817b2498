/*
 * What a node changes on its machine: a TUN interface with addresses and routes, and a rule that
 * keeps the node's own sockets out of it. Every change is journalled in the state folder before it
 * is made, undone by vn_host_down, and after a crash by vn_host_recover.
 *
 *   up     journal -> TUN -> link, addresses, routes in a table of their own -> rule
 *   mark   a socket with SO_MARK = vn_host_mark never sees the overlay's routes (SPEC C6)
 *
 * One thread at a time, except vn_host_tun_read and the TUN ports: each queue of the TUN belongs to
 * one worker's.
 */
#pragma once

#include "base/id.h"
#include "base/pktbuf.h"
#include "ports/tun.h"

#define VN_HOST_IFNAME "veilnet"
#define VN_HOST_IFNAME_MAX 15
#define VN_HOST_MARK 0x766e0001u /* SO_MARK of every node's underlay sockets */
/* Packets vn_host_tun_read takes at most: fairness bound of a turn. */
#define VN_HOST_TUN_BURST 64
/* And bytes, about: what was read is queued before more is, or all of it would need memory at
 * once. */
#define VN_HOST_TUN_BYTES (128u << 10)

struct vn_host;

/** What stands in the way, so that the command line can name the fix. */
enum vn_host_cause {
    VN_HOST_CAUSE_NONE = 0,
    VN_HOST_NO_TUN_DEVICE, /* /dev/net/tun does not exist, or the kernel has no TUN:
                              VN_ERR_UNSUPPORTED */
    VN_HOST_NO_PRIVILEGE,  /* CAP_NET_ADMIN is missing: VN_ERR_DENIED */
    VN_HOST_NAME_TAKEN,    /* the interface name belongs to something else: VN_ERR_EXISTS */
    VN_HOST_ADDRESS_TAKEN, /* this machine has one of the addresses on another interface:
                              VN_ERR_EXISTS */
    VN_HOST_IN_USE,     /* another process holds the journal of this state folder: VN_ERR_STATE */
    VN_HOST_STATE_DIR,  /* the journal cannot be written: VN_ERR_IO */
    VN_HOST_BAD_CONFIG, /* VN_ERR_ARG */
    VN_HOST_KERNEL,     /* another system call failed: VN_ERR_IO */
};

struct vn_host_error {
    enum vn_host_cause cause;
    int err;        /* errno, or 0 */
    char what[192]; /* one sentence, with the fix where there is one */
};

struct vn_host_config {
    const char *ifname; /* NULL: VN_HOST_IFNAME */
    size_t queues;      /* of the TUN, at most VN_WORKERS_MAX; 0: one. Counts for vn_host_up */
    uint16_t mtu_bytes;
    const struct vn_ip *addrs; /* own inner addresses */
    size_t addr_count;
    const struct vn_prefix *prefixes; /* the realm's ranges: routed to the TUN */
    size_t prefix_count;
    uint32_t mark;         /* 0: VN_HOST_MARK */
    const char *state_dir; /* exists; the journal is <state_dir>/host.journal */
};

/**
 * Recovers first if a journal is left over. On error everything done so far is undone.
 * @param ret_err  why, filled on error only; may be NULL
 */
VN_MUST_CHECK vn_status vn_host_up(const struct vn_host_config *cfg, struct vn_host **ret,
                                   struct vn_host_error *ret_err);
/** Addresses, ranges or MTU changed (ifname, mark and state_dir must be as before): makes it so. */
VN_MUST_CHECK vn_status vn_host_update(struct vn_host *h, const struct vn_host_config *cfg,
                                       struct vn_host_error *ret_err);
/** Undoes everything in reverse; closes the TUN. Returns NULL; NULL is fine. */
struct vn_host *vn_host_down(struct vn_host *h);
/**
 * Undoes what a node that died left in this state folder. VN_OK also when there is nothing to undo.
 * @param ret_undone  number of changes undone; may be NULL
 */
VN_MUST_CHECK vn_status vn_host_recover(const char *state_dir, size_t *ret_undone,
                                        struct vn_host_error *ret_err);

/** The interface's name as the kernel gave it; lives as long as h. */
const char *vn_host_ifname(const struct vn_host *h);
uint32_t vn_host_mark(const struct vn_host *h);
/** Puts the mark on an underlay socket. VN_ERR_DENIED without CAP_NET_ADMIN. */
VN_MUST_CHECK vn_status vn_host_mark_socket(int fd, uint32_t mark);

/** At least 1; fewer than wanted where the kernel has no more. Flows are spread over them by the
 * kernel, and go where their packets were last written. */
size_t vn_host_tun_queues(const struct vn_host *h);
/** Non-blocking descriptor to watch for reading; -1: there is no such queue. */
int vn_host_tun_fd(const struct vn_host *h, size_t queue);
/** Lives as long as h. Any thread may write by the port of a queue that does not exist: it is that
 * of the first. */
const struct vn_tun_port *vn_host_tun_port(const struct vn_host *h, size_t queue);
/**
 * Reads up to cap packets (at most VN_HOST_TUN_BURST) until they have VN_HOST_TUN_BYTES; the caller
 * owns them. *ret_n < cap, and fewer bytes: drained.
 * @return VN_OK; VN_ERR_IO when the interface is gone
 */
VN_MUST_CHECK vn_status vn_host_tun_read(struct vn_host *h, size_t queue, struct vn_pktbuf **ret,
                                         size_t cap, size_t *ret_n);
