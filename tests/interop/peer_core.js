// A data-channel peer for the tests of our own, over any implementation with the browsers' API: in
// Node.js (peer_node.mjs) and in a page (tests/e2e/webrtc_rig.py). Orders come to obey(), events go to tell(), in
// the words of tests/support/webrtc_peer.c; instead of "start" there are sessions described in SDP.
//
//   {do: "offer"} or {do: "answer", sdp} -> {event: "local", sdp};  {do: "remote", sdp} -> {event: "remote"}
//   {do: "restart"} (ICE) as "offer", {do: "again", sdp} as "answer", of the connection that is there
"use strict";

function makePeer(api, tell) {
  const channels = new Map(); // by label
  let pc = null;
  let turn = Promise.resolve(); // hashing takes time, events keep their order
  const inTurn = (work) => {
    turn = turn.then(work).catch((e) => tell({ event: "error", text: String((e && e.stack) || e) }));
    return turn;
  };

  // As pattern() of webrtc_peer.c.
  function pattern(size, k, text) {
    const b = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      const v = size * 7 + k * 13 + i * 31 + (i >>> 8) * 17;
      b[i] = text ? 97 + (v % 26) : v & 255;
    }
    return b;
  }

  async function hashOf(bytes) {
    const h = new Uint8Array(await api.subtle.digest("SHA-256", bytes));
    return Array.from(h, (x) => x.toString(16).padStart(2, "0")).join("");
  }

  function received(label, data) {
    inTurn(async () => {
      const text = typeof data === "string";
      let bytes;
      if (text) bytes = new TextEncoder().encode(data);
      else if (data instanceof ArrayBuffer) bytes = new Uint8Array(data);
      else bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      tell({ event: "message", label, size: bytes.length, text, hash: await hashOf(bytes) });
    });
  }

  function adopt(dc) {
    const label = dc.label;
    channels.set(label, dc);
    dc.binaryType = "arraybuffer";
    dc.onmessage = (e) => received(label, e.data);
    dc.onclose = () => {
      if (channels.get(label) === dc) channels.delete(label);
      inTurn(() => tell({ event: "closed", label }));
    };
    const opened = () => inTurn(() => tell({ event: "open", label }));
    if (dc.readyState === "open") opened();
    else dc.onopen = opened;
  }

  function make() {
    pc = new api.RTCPeerConnection({ iceServers: [], ...(api.config || {}) });
    pc.ondatachannel = (e) => {
      const dc = e.channel;
      // wrtc says 65535 where there is no limit.
      const number = (v) => (v === null || v === undefined || v === 65535 ? -1 : v);
      inTurn(() =>
        tell({
          event: "channel",
          label: dc.label,
          ordered: dc.ordered,
          retransmits: number(dc.maxRetransmits),
          lifetime: number(dc.maxPacketLifeTime),
        }),
      );
      adopt(dc);
    };
    pc.onconnectionstatechange = () => inTurn(() => tell({ event: "state", state: pc.connectionState }));
  }

  // Every candidate in the description, so that nothing trickles.
  async function describe(description) {
    await pc.setLocalDescription(description);
    if (api.prepare) api.prepare(pc, description.type === "offer");
    await new Promise((done) => {
      // Of a restart: "complete" may still be what was before.
      const look = () =>
        pc.iceGatheringState === "complete" && pc.localDescription.sdp.includes("a=candidate") && done();
      pc.onicegatheringstatechange = look;
      pc.onicecandidate = (e) => (e && e.candidate ? undefined : done());
      look();
      setTimeout(done, api.gatherMs || 3000);
    });
    tell({ event: "local", sdp: pc.localDescription.sdp });
  }

  async function send(dc, o) {
    for (let k = 0; k < o.count; k++) {
      while (dc.bufferedAmount > 1 << 20) await new Promise((done) => setTimeout(done, 5));
      const bytes = pattern(o.size, k, o.text);
      if (o.text) dc.send(new TextDecoder().decode(bytes));
      else dc.send(api.toSend ? api.toSend(bytes) : bytes);
    }
    tell({ event: "sent", label: o.label, count: o.count });
  }

  async function obey(o) {
    const dc = channels.get(o.label);
    if (o.do === "offer") {
      make();
      adopt(pc.createDataChannel("first")); // or the offer has no data channels
      await describe(await pc.createOffer());
    } else if (o.do === "answer") {
      make();
      await pc.setRemoteDescription({ type: "offer", sdp: o.sdp });
      await describe(await pc.createAnswer());
    } else if (o.do === "restart") {
      await describe(await pc.createOffer({ iceRestart: true }));
    } else if (o.do === "again") {
      await pc.setRemoteDescription({ type: "offer", sdp: o.sdp });
      await describe(await pc.createAnswer());
    } else if (o.do === "remote") {
      await pc.setRemoteDescription({ type: "answer", sdp: o.sdp });
      tell({ event: "remote" });
    } else if (o.do === "open") {
      const how = { ordered: o.ordered };
      if (o.retransmits >= 0) how.maxRetransmits = o.retransmits;
      if (o.lifetime >= 0) how.maxPacketLifeTime = o.lifetime;
      adopt(pc.createDataChannel(o.label, how));
    } else if (o.do === "send") {
      await send(dc, o);
    } else if (o.do === "close") {
      dc.close();
    } else if (o.do === "quit") {
      await pc.close();
    } else {
      throw new Error("an order I cannot follow: " + o.do);
    }
  }

  let orders = Promise.resolve();
  return (o) => {
    orders = orders.then(() => obey(o)).catch((e) => tell({ event: "error", text: String((e && e.stack) || e) }));
  };
}

globalThis.makePeer = makePeer;
