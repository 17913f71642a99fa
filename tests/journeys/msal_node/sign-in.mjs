// Microsoft's own library for Node.js as a client of an issuer and an API that it knows nothing else about.
//
// Takes one JSON argument (authority, tenant, api, addin, automation, secret, login, scope, apiClient, graphScope);
// writes one JSON line: the status of each door for each way to sign in. Never writes a token.
import { randomUUID } from "node:crypto";
import {
  ConfidentialClientApplication,
  CryptoProvider,
  ProtocolMode,
  PublicClientApplication,
} from "@azure/msal-node";

const given = JSON.parse(process.argv[2]);
const redirectUri = "http://localhost";
const authority = (tenant) => `${given.authority}/${tenant}`;
const settings = (clientId, tenant, more = {}) => ({
  auth: {
    clientId,
    authority: authority(tenant),
    knownAuthorities: [new URL(given.authority).host],
    protocolMode: ProtocolMode.AAD,
    ...more,
  },
});
const addin = () => new PublicClientApplication(settings(given.addin, given.tenant));

async function door(path, token) {
  const answer = await fetch(given.api + path, { headers: { Authorization: `Bearer ${token}` } });
  const body = await answer.json();
  return { status: answer.status, tenant: body.tenant_id, code: body.error?.code };
}

/** Follow the sign-in page as a person does: choose oneself from the list. */
async function choose(page) {
  const list = await fetch(page, { redirect: "manual" });
  const html = (await list.text()).replaceAll("&amp;", "&");
  const link = [...html.matchAll(/href="([^"]+)"/g)]
    .map((found) => found[1])
    .find((one) => new URL(one, page).searchParams.get("login_hint") === given.login);
  if (link === undefined) throw new Error(`${given.login} is not on the page: ${list.status}`);
  return fetch(new URL(link, page), { redirect: "manual" });
}

async function code() {
  const client = addin();
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const state = randomUUID();
  const nonce = randomUUID();
  const request = { scopes: [given.scope], redirectUri };
  const page = await client.getAuthCodeUrl({
    ...request,
    state,
    nonce,
    responseMode: "query",
    codeChallenge: challenge,
    codeChallengeMethod: "S256",
  });
  const back = new URL((await choose(page)).headers.get("location"));
  if (back.searchParams.get("state") !== state) throw new Error("the state has changed");
  const result = await client.acquireTokenByCode(
    { ...request, code: back.searchParams.get("code"), codeVerifier: verifier, state, nonce },
    { state: back.searchParams.get("state") },
  );
  return { client, result, nonce };
}

async function deviceCode() {
  const client = addin();
  const result = await client.acquireTokenByDeviceCode({
    scopes: [given.scope],
    deviceCodeCallback: (shown) => {
      const page = new URL(shown.verificationUri);
      page.searchParams.set("user_code", shown.userCode);
      void choose(page);
    },
  });
  return result;
}

const seen = {};
const { client, result, nonce } = await code();
seen.code = {
  ...(await door("/addin/v1/me", result.accessToken)),
  nonce: result.idTokenClaims.nonce === nonce,
  login: result.account.username,
  scopes: result.scopes,
};

const cached = await client.acquireTokenSilent({ account: result.account, scopes: [given.scope] });
seen.cache = { fromCache: cached.fromCache, same: cached.accessToken === result.accessToken };

const renewed = await client.acquireTokenSilent({
  account: result.account,
  scopes: [given.scope],
  forceRefresh: true,
});
seen.refresh = { ...(await door("/addin/v1/me", renewed.accessToken)), fromCache: renewed.fromCache };

const device = await deviceCode();
seen.device = { ...(await door("/addin/v1/me", device.accessToken)), login: device.account.username };

const program = new ConfidentialClientApplication(
  settings(given.automation, given.tenant, { clientSecret: given.secret }),
);
const own = await program.acquireTokenByClientCredential({ scopes: [`api://${given.apiClient}/.default`] });
seen.program = await door("/automation/v1/jobs", own.accessToken);
seen.programAtAddin = await door("/addin/v1/me", own.accessToken);

const api = new ConfidentialClientApplication(
  settings(given.apiClient, given.tenant, { clientSecret: given.secret }),
);
const onBehalf = await api.acquireTokenOnBehalfOf({
  oboAssertion: result.accessToken,
  scopes: [given.graphScope],
});
const claims = JSON.parse(Buffer.from(onBehalf.accessToken.split(".")[1], "base64url"));
const graph = await fetch(`${given.authority}/graph/v1.0/me`, {
  headers: { Authorization: `Bearer ${onBehalf.accessToken}` },
});
seen.onBehalf = {
  audience: claims.aud,
  scopes: onBehalf.scopes,
  login: onBehalf.account?.username,
  graph: graph.status,
  ...(await door("/addin/v1/me", onBehalf.accessToken)),
};

const refused = await api
  .acquireTokenOnBehalfOf({ oboAssertion: own.accessToken, scopes: [given.graphScope] })
  .then(
    () => "none",
    (error) => error.errorCode,
  );
seen.refused = refused;
console.log(JSON.stringify(seen));
