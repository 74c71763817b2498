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
/** For what must come, on however busy a machine: only a test that fails takes it. */
#define TEST_IO_WAIT_MS 60000
/** Turns until done(arg); false after TEST_IO_WAIT_MS. */
bool test_io_until(struct test_io *t, bool (*done)(void *arg), void *arg);
/** As test_io_until; false after max_ms. */
bool test_io_within(struct test_io *t, int max_ms, bool (*done)(void *arg), void *arg);
/** Turns for so long. */
void test_io_for(struct test_io *t, int ms);

/** The process's random bytes. */
const struct vn_random *test_random(void);
