/*
 * Failing allocations, one after the other (as curl's torture tests and SQLite do):
 *
 *     for (size_t n = 1; ; n++) {
 *         vn_oom_arm(n);
 *         vn_status st = what_is_tested();
 *         if (!vn_oom_disarm())
 *             break;                       // fewer than n allocations: all were tried
 *         assert_status(VN_ERR_NOMEM, st);
 *     }
 *
 * Counts malloc, calloc, realloc, strdup and strndup of our own static code; a library takes part
 * if it is given vn_oom_malloc and vn_oom_realloc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/** The n-th allocation from now on (1 = the next) fails, once. */
void vn_oom_arm(size_t n);
/** True if an allocation has failed since vn_oom_arm. */
bool vn_oom_disarm(void);
/**
 * Calls fn with each of its allocations failing once, until it went through. Each failure must be
 * VN_ERR_NOMEM; with spare set it may also be VN_OK, for what was not needed. How many there were.
 */
size_t vn_oom_each(vn_status (*fn)(void), bool spare);
/** Allocations while paused neither fail nor count: those of the test itself. */
void vn_oom_pause(bool paused);
/** As malloc and realloc, but counted. */
void *vn_oom_malloc(size_t n);
void *vn_oom_realloc(void *p, size_t n);
