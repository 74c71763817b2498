/*
 * Which of Master's addresses is the nearest at present: whose TCP handshake ends first. Several
 * stand in the credentials where Master is a cluster, or has more than one address.
 */
#pragma once

#include "control/nats_internal.h"

/**
 * Chooses a->url among the addresses that are not in a->tried: the first to answer, or the only
 * one, unasked. Blocks up to VN_NATS_NEAREST_MS, and while names are looked up. False: none
 * answered; a->url is that of all of them. On the attempt's thread.
 */
bool vn_nats_nearest(struct nats_attempt *a);
