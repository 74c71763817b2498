/* The verbs of veilnet-guardian. argv[0] is the verb; each returns the exit code. */
#pragma once

int vn_cmd_init(int argc, char **argv);
int vn_cmd_run(int argc, char **argv);
int vn_cmd_stop(int argc, char **argv);
int vn_cmd_token(int argc, char **argv);
int vn_cmd_realm(int argc, char **argv);
int vn_cmd_node(int argc, char **argv);
int vn_cmd_user(int argc, char **argv);
int vn_cmd_org(int argc, char **argv);
int vn_cmd_team(int argc, char **argv);
int vn_cmd_api_token(int argc, char **argv);
int vn_cmd_audit(int argc, char **argv);
int vn_cmd_issuer(int argc, char **argv);
int vn_cmd_oidc(int argc, char **argv);
int vn_cmd_veil(int argc, char **argv);
int vn_cmd_master(int argc, char **argv);
int vn_cmd_login(int argc, char **argv);

struct vn_statedir;
/** Serves until SIGTERM or SIGINT; the lock is already held. */
int vn_guardian_serve(const struct vn_statedir *dir);
