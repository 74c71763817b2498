/*
 * Notices that addresses of this machine come and go, so that a connection from an address that is
 * gone is not waited for. A TCP socket itself learns nothing of it.
 */
#pragma once

#include <stdbool.h>

/** A socket that becomes readable when an address or an interface has come, gone or changed; -1
 * where that cannot be had. The caller closes it. */
int vn_addr_watch_open(void);
/** Reads away what is there. */
void vn_addr_watch_drain(int watch);
/** True when the address that the connected socket fd sends from is not this machine's any more, or
 * its interface is down. */
bool vn_addr_watch_gone(int fd);
