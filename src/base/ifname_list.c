#include "base/ifname_list.h"

#include <fnmatch.h>
#include <net/if.h>
#include <string.h>

bool vn_ifnames_valid(const char *list)
{
    if (!*list)
        return true;
    if (strlen(list) >= VN_IFNAMES_TEXT || strpbrk(list, "/: \t\n"))
        return false;
    for (const char *at = list;; at++) {
        const size_t n = strcspn(at, ",");
        if (n == 0 || n >= IF_NAMESIZE)
            return false;
        at += n;
        if (!*at)
            return true;
    }
}

bool vn_ifnames_has(const char *list, const char *name)
{
    while (*list) {
        const size_t n = strcspn(list, ",");
        char pattern[IF_NAMESIZE] = "";
        memcpy(pattern, list, n);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}
