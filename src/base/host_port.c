#include "base/host_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool vn_port_parse(const char *text, uint16_t *ret)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || end == text || *end || v > 65535 || text[0] == '-' || text[0] == '+')
        return false;
    *ret = (uint16_t)v;
    return true;
}

vn_status vn_host_port_parse(const char *text, char ret_host[VN_HOST_MAX], uint16_t *ret_port)
{
    const char *host = text, *port = NULL;
    size_t host_n;
    if (text[0] == '[') {
        const char *close_at = strchr(text, ']');
        if (!close_at || (close_at[1] && close_at[1] != ':'))
            return VN_ERR_MALFORMED;
        host = text + 1;
        host_n = (size_t)(close_at - host);
        port = close_at[1] ? close_at + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');
        /* More than one colon without brackets: a bare IPv6 address. */
        bool v6 = colon && strchr(colon + 1, ':');
        host_n = colon && !v6 ? (size_t)(colon - text) : strlen(text);
        port = colon && !v6 ? colon + 1 : NULL;
    }
    if (host_n == 0 || host_n >= VN_HOST_MAX ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:*") < host_n)
        return VN_ERR_MALFORMED;
    uint16_t value = 0;
    if (port && !vn_port_parse(port, &value))
        return VN_ERR_MALFORMED;
    memcpy(ret_host, host, host_n);
    ret_host[host_n] = 0;
    if (port)
        *ret_port = value;
    return VN_OK;
}
