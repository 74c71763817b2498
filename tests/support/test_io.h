/* A vn_io over epoll with timers, for tests and benches that use real descriptors. Single-threaded.
 */
#pragma once

#include "ports/io.h"
#include "ports/random.h"

struct test_io;

struct test_io *test_io_new(void);
struct test_io *
test_io_free(struct test_io *t); /* asserts that all watches and timers are gone; returns NULL */
const struct vn_io *test_io_port(struct test_io *t);

/** One turn: waits at most max_ms for a descriptor or a timer and runs callbacks. */
void test_io_turn(struct test_io *t, int max_ms);
/** Turns until done(arg) or max_ms passed; returns done(arg). */
bool test_io_until(struct test_io *t, bool (*done)(void *arg), void *arg, int max_ms);

/** The process's random bytes. */
const struct vn_random *test_random(void);
