// A real OpenID provider (npm oidc-provider) over HTTPS, without pages: whoever comes signs in as ?login_hint, or as "ann".
//   node oidc_provider.mjs FOLDER-OF-MODULES CERT KEY PORT CLIENT-SECRET
// On standard input, a line each: "rotate" makes a new signing key, first in the set; "only" forgets the older ones;
// "people NAME JSON" gives somebody claims. Each line of its output is JSON.
import { createRequire } from "node:module";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, cert, key, port, secret] = process.argv.slice(2);
const require = createRequire(folder + "/");
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
const issuer = `https://idp.test:${port}`;
const say = (o) => console.log(JSON.stringify(o));
const people = {
  ann: { email: "ann@example.org", email_verified: true, name: "Ann" },
  bob: { email: "bob@example.org", email_verified: false, name: "Bob\u001b[2J" },
  eve: { email: "admin", email_verified: true, preferred_username: "admin", name: "Eve" },
};
let keys = [];

function add() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  keys.unshift({ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: randomUUID() });
}

let handler;
function make() {
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "veilnet", client_secret: secret, grant_types: ["authorization_code"], response_types: ["code"],
      redirect_uris: ["http://127.0.0.1/callback"], application_type: "native", token_endpoint_auth_method: "client_secret_basic",
    }],
    jwks: { keys },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    conformIdTokenClaims: false,
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  });
  provider.on("server_error", (ctx, e) => say({ error: e.message }));
  provider.on("grant.error", (ctx, e) => say({ grant: e.error, why: e.error_description }));
  const callback = provider.callback();
  handler = async (req, res) => {
    if (!req.url.startsWith("/interaction/")) return callback(req, res);
    // Who it is, and that they agree: what pages would ask.
    const details = await provider.interactionDetails(req, res);
    const accountId = details.params.login_hint || "ann";
    const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
    grant.addOIDCScope("openid email profile");
    const grantId = await grant.save();
    await provider.interactionFinished(req, res, { login: { accountId }, consent: { grantId } }, { mergeWithLastSubmission: false });
  };
}

add();
make();
createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (req, res) => {
  say({ asked: req.method + " " + req.url.split("?")[0] });
  handler(req, res).catch((e) => { say({ error: e.message }); res.statusCode = 500; res.end(); });
}).listen(Number(port), "127.0.0.2", () => say({ ready: issuer }));

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "rotate") add();
  if (line === "only") keys = keys.slice(0, 1);
  const [order, name, ...claims] = line.split(" ");
  if (order === "people") people[name] = JSON.parse(claims.join(" "));
  else make();
  say({ done: line });
}).on("close", () => process.exit()); // who started it is gone
