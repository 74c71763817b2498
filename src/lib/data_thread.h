/*
 * What every data worker has on its thread: its loop's time and timer, a queue of the TUN, and
 * struct vn_worker, which is flushed and ticked at the end of each turn. All of it belongs to that
 * thread.
 */
#pragma once

#include "core/worker.h"
#include "loop/precedence.h"
#include "ports/io.h"

struct vn_host;
struct vn_io_watch;
struct vn_loop;

/** The message beside those of core/commands.h and core/crew.h, whose numbers are below 256. */
enum { VN_MSG_ATTACH = 256 };

struct vn_msg_attach {
    struct vn_post_msg msg;
    struct vn_host *host;
    struct vn_prefix ranges[4];
    size_t count;
};

struct vn_data_thread {
    struct vn_loop *loop;
    struct vn_random random;
    struct vn_tun_port tun;
    struct vn_host *host; /* NULL until attached */
    struct vn_io_watch *tun_watch;
    struct vn_worker *worker;
    struct vn_io_timer *timer;
    struct vn_precedence precedence;
    uint64_t turned_us; /* when the last turn began */
    bool wrote;         /* to the TUN in this turn */
    size_t queue;       /* of the TUN: the worker's number */
    /** Before the worker's own, at the end of each turn; may be NULL. */
    void (*turn_end)(void *arg);
    void *arg;
};

/**
 * First on the thread. d is zeroed but for what a turn's end calls; cfg as the worker wants it but
 * for tun and random.
 */
VN_MUST_CHECK vn_status vn_data_thread_init(struct vn_data_thread *d, struct vn_loop *loop,
                                            const struct vn_worker_config *cfg);
/** Last on the thread; after an error of init as well, or without it. */
void vn_data_thread_done(struct vn_data_thread *d);
/** From now on the worker reads and writes its queue of host's TUN; host outlives d. Again: the
 * same host. */
VN_MUST_CHECK vn_status vn_data_thread_attach(struct vn_data_thread *d, struct vn_host *host);
/** A command of core/commands.h; takes ownership. */
void vn_data_thread_command(struct vn_data_thread *d, struct vn_post_msg *m);
