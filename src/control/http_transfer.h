/* One request of the HTTPS client and its answer, however libcurl is driven. For http.c. */
#pragma once

#include <curl/curl.h>

#include "control/http.h"

struct vn_http_transfer {
    CURL *easy;
    struct vn_buf *out;
    struct vn_buf request;
    struct curl_slist *headers;
    char *url;
    char error[CURL_ERROR_SIZE];
    bool want_binding;
    bool too_large;
    bool refused; /* an address, by may_connect */
    const struct vn_http_config *cfg;
    struct vn_http_response res;
};

/** Makes t->easy ready to be performed; the answer goes to out, which it reserves. cfg is borrowed
 * until vn_http_transfer_done; on an error there is nothing to be done. */
VN_MUST_CHECK vn_status vn_http_transfer_init(struct vn_http_transfer *t,
                                              const struct vn_http_config *cfg,
                                              const struct vn_http_request *req,
                                              struct vn_buf *out);
/** Fills in t->res by how it ended. */
void vn_http_transfer_finish(struct vn_http_transfer *t, CURLcode rc);
/** Frees, and wipes what is secret, but not out. */
void vn_http_transfer_done(struct vn_http_transfer *t);
/** The status and the sentence of a failure. */
void vn_http_explain(struct vn_http_transfer *t, CURLcode rc);
