/*
 * The type byte (third of every message on the control channel) and what all message families
 * share.
 *
 *   envelope   ver1 suite1 type1 seal1 ...          types below 0x80
 *   handshake  ver1 suite1 type1 sid16 ...          0x80 ..
 *   control    ver1 suite1 type1 sid16 seq8 ...     0x90
 *   Guardian's signed lists  ver1 suite1 type1 realm16 ...  0xa0 ..
 */
#pragma once

#define VN_WIRE_VERSION 1

enum vn_wire_type {
    /* envelopes between nodes */
    VN_T_QUERY = 0x01,        /* a.own: who owns this name; body vn.Query */
    VN_T_ANSWER = 0x02,       /* the owner's descriptor; body vn.Answer */
    VN_T_NEED_CERT = 0x03,    /* body vn.NeedCert */
    VN_T_CERT = 0x04,         /* answer to it; body vn.Cert */
    VN_T_OFFER = 0x05,        /* tether offer; body vn.TetherOffer */
    VN_T_OFFER_ANSWER = 0x06, /* body vn.TetherAnswer */
    VN_T_CANDIDATES = 0x07,   /* trickled; body vn.TetherCandidates */
    VN_T_RESTART = 0x09,      /* ICE restart of a tether, by either end; body vn.TetherRestart */
    VN_T_PATH = 0x0a,         /* of relays, sealed but not signed; body: wire/path.h */
    /* to Guardian */
    VN_T_COMMAND_ANSWER = 0x08, /* body vn.CommandAnswer */
    /* envelopes of Guardian */
    VN_T_UPDATE = 0x40,  /* new statement and identity keys; body vn.IdentityUpdate */
    VN_T_COMMAND = 0x41, /* body vn.Command */
    /* not envelopes */
    VN_T_HS_M1 = 0x80,
    VN_T_HS_M2 = 0x81,
    VN_T_HS_RETRY = 0x82,
    VN_T_CONTROL = 0x90, /* stream control under k_ctl; body vn.StreamControl */
    VN_T_REVOCATIONS =
        0xa0,               /* of Guardian, on a.rev; signed, not sealed: it must reach everybody */
    VN_T_KEYS = 0xa1,       /* of Guardian, on a.adm: the keys of the next generation */
    VN_T_KEYS_NOW = 0xa2,   /* of Guardian, on a.rev: they are in force */
    VN_T_REALM_RULE = 0xa3, /* of Guardian, on a.rev: the realm's access rule has changed */
};
