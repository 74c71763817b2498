/* The networks of this machine. Any thread. */
#pragma once

#include <stddef.h>

#include "wire/command.h"

/**
 * Networks of the addresses on interfaces that are up, each once; without loopback, link-local
 * ones and the interface `except` (may be empty).
 * @return how many were filled in, at most cap
 */
size_t vn_host_networks(const char *except, struct vn_local_network *ret, size_t cap);
