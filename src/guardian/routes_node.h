/* What the routes of one node share: /conflux/{id}/… */
#pragma once

#include "guardian/http.h"

/** Applies the body's {"add","remove"}; stores new taints and the number of the statement to come.
 * Returns false after answering. */
bool vn_node_store_taints(struct vn_request *r, struct vn_conflux_record *c);
/** Ends session and registration; action is for the audit. Returns false after answering. */
bool vn_node_remove(struct vn_request *r, const struct vn_conflux_record *c, const char *action);
/** Whether body names a command, and has nothing that it does not take; *ret: its number. Returns
 * false after answering. */
bool vn_node_command_is(struct vn_request *r, const json_t *body, size_t *ret);
/** Applies the body's {"add","remove"} of teams, tells the node, and answers. */
void vn_node_change_teams(struct vn_request *r, struct vn_conflux_record *c, const char *command);
/** Tells the node to renew, as its rights have changed, and answers {"rights","node",…}. */
void vn_node_tell_rights(struct vn_request *r, const struct vn_conflux_record *c);
/** Tells the node of its new taints and teams and answers {"taints","teams","node",…} and command.
 */
void vn_node_tell_identities(struct vn_request *r, const struct vn_conflux_record *c,
                             const char *command);
