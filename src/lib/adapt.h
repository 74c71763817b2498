/* Ports made of src/loop and src/crypto. */
#pragma once

#include "ports/io.h"
#include "ports/random.h"
#include "ports/work.h"

struct vn_loop;
struct vn_pool;

/** Descriptors and timers of l; valid as long as l. */
struct vn_io vn_adapt_io(struct vn_loop *l);
struct vn_work vn_adapt_work(struct vn_pool *p);
struct vn_random vn_adapt_random(void);
