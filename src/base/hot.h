/* The code through which a packet passes: cmake/hot.ld puts it in one place. */
#pragma once

/**
 * Fetches that code into the processor's caches, many lines at a time. After a sleep it is in none
 * of them, and the first packet would wait for one line after the other. Where the linker keeps no
 * order it does nothing.
 */
void vn_hot_fetch(void);
