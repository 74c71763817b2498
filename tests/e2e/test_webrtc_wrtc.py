#!/usr/bin/env python3
"""Our peer connection against @roamhq/wrtc, libwebrtc for Node.js: every kind of channel, both directions, both roles.

timeout: 400 waits
"""
from webrtc_rig import *


def against_wrtc():
    all_cases(node_peer("wrtc"))


main(against_wrtc)
