/*
 * The host journal: a file in the state folder that says which changes to the machine may have been
 * made and are to be undone. Written and synced before the change; removed when all is undone.
 *
 *   line = crc32 as 8 hexadecimal digits, space, text, newline
 *   first line's text = "veilnet host journal 1 " and the kernel's boot id; every other a vn_change
 *
 * Lines that do not check are skipped. A journal of another boot has nothing to undo: a kernel
 * forgets all of it. The file is locked while open, so no other node undoes a living one's changes.
 */
#pragma once

#include "host/change.h"
#include "host/host.h"

#define VN_JOURNAL_FILE "host.journal"
#define VN_JOURNAL_CHANGES_MAX 1024
#define VN_JOURNAL_BYTES_MAX (256u << 10)

struct vn_journal;

/** Opens or creates, locks, and reads what is left. */
VN_MUST_CHECK vn_status vn_journal_open(const char *state_dir, struct vn_journal **ret,
                                        struct vn_host_error *ret_err);
/** Closes without touching the file. Returns NULL; NULL is fine. */
struct vn_journal *vn_journal_close(struct vn_journal *j);
/** All changes written so far and not cleared, oldest first; valid until the next call. */
size_t vn_journal_changes(const struct vn_journal *j, const struct vn_change **ret);
/** Lines that did not check when it was opened. */
size_t vn_journal_damaged(const struct vn_journal *j);
/**
 * Writes those of the changes that are not in it, and syncs.
 * @return VN_ERR_IO, VN_ERR_LIMIT, VN_ERR_NOMEM: then none may be made
 */
VN_MUST_CHECK vn_status vn_journal_add(struct vn_journal *j, const struct vn_change *changes,
                                       size_t count);
/** All is undone: removes the file. The journal may be added to again. */
VN_MUST_CHECK vn_status vn_journal_clear(struct vn_journal *j);
