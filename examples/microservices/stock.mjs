// A service in Node that verifies access tokens: jose checks the signature, the feed whether the login was ended.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { Feed } from "./feed.mjs";

const { ISSUER = "http://127.0.0.1:8000", SERVICE_TOKEN, PORT = 8002 } = process.env;
const { FEED = `${ISSUER}/auth/revocations` } = process.env;
const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", ISSUER));
const feed = new Feed(FEED, { serviceToken: SERVICE_TOKEN, boundSeconds: 5 });
const CHECKS = {
  issuer: ISSUER,
  audience: "stock",
  typ: "at+jwt",
  algorithms: ["RS256"],
  requiredClaims: ["sub", "sid", "gen", "client_id", "iat", "exp"],
};

async function authenticate({ headers: { authorization = "" } }) {
  const [scheme, token] = authorization.split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token) return { status: 401, code: "unauthenticated" };
  let claims;
  try {
    claims = (await jwtVerify(token, keys, CHECKS)).payload;
  } catch (error) {
    // Only a token that was read and found wrong is a 401: after it, clients delete their tokens.
    if (error.code === "ERR_JWT_EXPIRED") return { status: 401, code: "token_expired" };
    if (/^ERR_(JWT|JWS|JOSE_ALG|JOSE_NOT|JWKS_NO)/.test(error.code)) return { status: 401, code: "token_invalid" };
    return { status: 503, code: "unavailable" };
  }
  if (!feed.isFresh) return { status: 503, code: "revocation_unknown" };
  return feed.isRevoked(claims) ? { status: 401, code: "token_revoked" } : { status: 200, stock_for: claims.sub };
}

const server = createServer(async (request, response) => {
  const { status, ...answer } = await authenticate(request);
  const error = answer.code === "unauthenticated" ? "" : ' error="invalid_token"'; // RFC 6750 section 3.1
  const challenge = status === 401 && { "WWW-Authenticate": `Bearer${error}` };
  const retry = status === 503 && { "Retry-After": "1" };
  response.writeHead(status, { "Content-Type": "application/json", ...challenge, ...retry });
  response.end(JSON.stringify(answer));
});

feed.follow();
server.listen(PORT, "127.0.0.1", () => console.log(`Running on http://127.0.0.1:${PORT}`));
