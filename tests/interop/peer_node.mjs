// peer_core.js over an implementation for Node.js: peer_node.mjs werift|wrtc, in the folder where
// `npm ci` was run. Lines of JSON on stdin and stdout.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import path from "node:path";
import process from "node:process";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(process.cwd(), "package.json"));
createRequire(import.meta.url)(path.join(here, "peer_core.js"));

const tell = (o) => process.stdout.write(JSON.stringify(o) + "\n");
const api = { subtle: globalThis.crypto.subtle };

if (process.argv[2] === "werift") {
  const werift = require("werift");
  api.RTCPeerConnection = werift.RTCPeerConnection;
  api.toSend = (bytes) => Buffer.from(bytes);
  // It learns which numbers its channels have when it starts SCTP, and fails if our INIT is there before.
  api.prepare = (pc, offers) => {
    pc.sctpTransport.dataChannelId ??= offers ? 1 : 0;
  };
} else {
  api.RTCPeerConnection = require("@roamhq/wrtc").RTCPeerConnection;
}

const obey = globalThis.makePeer(api, tell);
for await (const line of createInterface({ input: process.stdin })) {
  const o = JSON.parse(line);
  obey(o);
  if (o.do === "quit") break;
}
setTimeout(() => process.exit(0), 200);
