/* Intrusive doubly linked list with a sentinel head. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct vn_list {
    struct vn_list *next, *prev;
};

static inline void vn_list_init(struct vn_list *l)
{
    l->next = l->prev = l;
}
static inline bool vn_list_empty(const struct vn_list *l)
{
    return l->next == l;
}
/** Puts e at the end of the list with head l. */
static inline void vn_list_append(struct vn_list *l, struct vn_list *e)
{
    e->prev = l->prev;
    e->next = l;
    l->prev->next = e;
    l->prev = e;
}
/** Takes e out and leaves it a list of its own, so taking twice is harmless. */
static inline void vn_list_remove(struct vn_list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    vn_list_init(e);
}
#define VN_LIST_ENTRY(ptr, type, member) VN_CONTAINER_OF(ptr, type, member)
/** The current entry may be removed in the body. */
#define VN_LIST_EACH(it, head)                                                                     \
    for (struct vn_list *it = (head)->next, *it##_n = it->next; it != (head);                      \
         it = it##_n, it##_n = it->next)
