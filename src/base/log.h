/*
 * Structured log. Event names are stable identifiers; field names come from the list in
 * docs/operations.md. Text on a terminal, JSON otherwise. Secrets have no formatter. Safe from any
 * thread.
 *
 *     vn_log(VN_LOG_INFO, "stream_established", VN_KV_ID("peer", &id), VN_KV_U64("rekeys", n));
 */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "base/status.h"

enum vn_log_level { VN_LOG_ERROR, VN_LOG_WARN, VN_LOG_INFO, VN_LOG_DEBUG };

enum vn_kv_type {
    VN_KV_T_END,
    VN_KV_T_STR,
    VN_KV_T_U64,
    VN_KV_T_I64,
    VN_KV_T_ID,
    VN_KV_T_IP,
    VN_KV_T_STATUS,
    VN_KV_T_FP
};

struct vn_kv {
    const char *name;
    enum vn_kv_type type;
    union {
        const char *s;
        uint64_t u;
        int64_t i;
        const struct vn_id *id;
        const struct vn_ip *ip;
        struct vn_span fp;
    };
};

#define VN_KV_STR(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_STR, .s = (v)})
#define VN_KV_U64(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_U64, .u = (uint64_t)(v)})
#define VN_KV_I64(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_I64, .i = (int64_t)(v)})
#define VN_KV_ID(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_ID, .id = (v)})
#define VN_KV_IP(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_IP, .ip = (v)})
#define VN_KV_STATUS(v) ((struct vn_kv){.name = "reason", .type = VN_KV_T_STATUS, .i = (v)})
/** errno as a number and text */
#define VN_KV_ERRNO(e) ((struct vn_kv){.name = "error", .type = VN_KV_T_STR, .s = strerror(e)})
/** public bytes shown as their first 8 in hexadecimal; never for secrets */
#define VN_KV_FP(n, v) ((struct vn_kv){.name = (n), .type = VN_KV_T_FP, .fp = (v)})

#define vn_log(level, event, ...)                                                                  \
    do {                                                                                           \
        if ((level) <= vn_log_level_now())                                                         \
            vn_log_write((level), (event),                                                         \
                         (const struct vn_kv[]){__VA_ARGS__ __VA_OPT__(, )(struct vn_kv){0}});     \
    } while (0)

enum vn_log_level vn_log_level_now(void);
/** @param json  -1: JSON unless standard error is a terminal */
void vn_log_setup(enum vn_log_level level, int json);
/** kv ends with type VN_KV_T_END. Writes one line to standard error in one write(2). */
void vn_log_write(enum vn_log_level level, const char *event, const struct vn_kv *kv);
