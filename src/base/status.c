#include "base/status.h"

const char *vn_status_name(vn_status st)
{
    switch (st) {
    case VN_OK:
        return "ok";
    case VN_ERR_AGAIN:
        return "again";
    case VN_ERR_MALFORMED:
        return "malformed";
    case VN_ERR_AUTH:
        return "auth";
    case VN_ERR_NOMEM:
        return "nomem";
    case VN_ERR_CRYPTO:
        return "crypto";
    case VN_ERR_IO:
        return "io";
    case VN_ERR_ARG:
        return "arg";
    case VN_ERR_NOTFOUND:
        return "notfound";
    case VN_ERR_EXISTS:
        return "exists";
    case VN_ERR_LIMIT:
        return "limit";
    case VN_ERR_DENIED:
        return "denied";
    case VN_ERR_EXPIRED:
        return "expired";
    case VN_ERR_STATE:
        return "state";
    case VN_ERR_UNSUPPORTED:
        return "unsupported";
    }
    return "unknown";
}
