#!/usr/bin/env python3
"""Our peer connection against werift: every kind of channel, both directions, both roles in DTLS.

timeout: 400
"""
from webrtc_rig import *

LACKS = {
    "theirs-empty": "werift sends no message without a byte",
    "losses": "werift forgets fragments it has acknowledged when FORWARD-TSN comes, and waits for them forever",
    "theirs-once": "werift takes maxRetransmits 0 for none given",
    "their-restart": "werift's offer of one has no candidates, and no check of it follows",
    "timed": "werift takes maxPacketLifeTime for microseconds and gives up after 10 of 10,000 ms",
}


def against_werift():
    log("skipped: they offer, we are the DTLS server: werift numbers its channels by its role in ICE, not in DTLS")
    all_cases(node_peer("werift"), LACKS, roles=((False, "client"), (True, "server")))


main(against_werift)
