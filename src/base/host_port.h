/* Hosts and ports as people write them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define VN_HOST_MAX 256

/** "host", "host:port", "1.2.3.4:port", "[v6]:port", "[v6]", "v6". *ret_port stays untouched when
 * there is none. */
VN_MUST_CHECK vn_status vn_host_port_parse(const char *text, char ret_host[VN_HOST_MAX],
                                           uint16_t *ret_port);
/** A port by itself, 0 to 65535: digits alone. False: it is none. */
VN_MUST_CHECK bool vn_port_parse(const char *text, uint16_t *ret);
