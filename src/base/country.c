#include "base/country.h"

#include <stdio.h>
#include <string.h>

bool vn_country_valid(const char *text)
{
    return text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z' && !text[2];
}

bool vn_countries_has(const struct vn_countries *l, const char *country)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->c[i], country) == 0)
            return true;
    return false;
}

vn_status vn_countries_parse(const char *list, struct vn_countries *ret)
{
    ret->n = 0;
    while (*list) {
        char one[VN_COUNTRY_TEXT] = "";
        const size_t n = strcspn(list, ",");
        if (n == 2)
            memcpy(one, list, 2);
        if (!vn_country_valid(one) || (list[n] == ',' && !list[n + 1]))
            return VN_ERR_MALFORMED;
        if (!vn_countries_has(ret, one)) {
            if (ret->n == VN_COUNTRIES_MAX)
                return VN_ERR_LIMIT;
            memcpy(ret->c[ret->n++], one, sizeof(one));
        }
        list += n + (list[n] == ',');
    }
    return VN_OK;
}

void vn_countries_format(const struct vn_countries *l, char ret[VN_COUNTRIES_TEXT])
{
    size_t n = 0;
    ret[0] = 0;
    for (size_t i = 0; i < l->n; i++)
        n += (size_t)snprintf(ret + n, VN_COUNTRIES_TEXT - n, "%s%s", i ? "," : "", l->c[i]);
}
