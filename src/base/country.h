/* Countries by their two letters (ISO 3166-1 alpha-2), and lists of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define VN_COUNTRY_TEXT 3 /* "DE" and a NUL; "": unknown */
#define VN_COUNTRIES_MAX 64
#define VN_COUNTRIES_TEXT (VN_COUNTRIES_MAX * 3)

struct vn_countries {
    char c[VN_COUNTRIES_MAX][VN_COUNTRY_TEXT];
    size_t n;
};

/** Two letters A-Z; whether such a country exists is not looked at. */
bool vn_country_valid(const char *text);
/** False for "". */
bool vn_countries_has(const struct vn_countries *l, const char *country);
/** Of "DE,FR"; "" is none. VN_ERR_MALFORMED, VN_ERR_LIMIT; *ret is then undefined. */
VN_MUST_CHECK vn_status vn_countries_parse(const char *list, struct vn_countries *ret);
void vn_countries_format(const struct vn_countries *l, char ret[VN_COUNTRIES_TEXT]);
