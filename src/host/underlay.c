#include "host/underlay.h"

#include <errno.h>
#include <sys/socket.h>

uint32_t vn_underlay_table(uint32_t ifindex)
{
    return VN_UNDERLAY_TABLE + ifindex;
}

struct vn_change vn_underlay_rule(bool ip6, uint32_t mark, uint32_t ifindex)
{
    return (struct vn_change){.kind = VN_CHANGE_RULE,
                              .ip6 = ip6,
                              .priority = VN_UNDERLAY_PRIORITY,
                              .mark = mark,
                              .table = vn_underlay_table(ifindex)};
}

vn_status vn_underlay_mark_socket(int fd, uint32_t mark)
{
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
        return VN_OK;
    return errno == EPERM ? VN_ERR_DENIED : VN_ERR_IO;
}
