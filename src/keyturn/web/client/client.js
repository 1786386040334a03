// Keyturn in the browser. Types and documentation: client.d.ts.

// Codes that end the session. Any other failure, such as a 503, leaves the user logged in.
const ENDED = ["unauthenticated", "token_malformed", "token_invalid", "token_revoked", "token_reused", "session_ended",
  "counter_ahead"];
// Codes of an access token whose refresh token may be valid: logout-others revokes all access tokens.
const STALE = ["token_expired", "token_revoked"];
// A refresh is sent again within 8 s: inside the grace window, in which the server repeats an answer that was lost.
const REFRESH_MS = [3000, 4000, 10000];
const PAUSE_MS = 500;
const CALL_MS = 30000;
const SAFE = /^(GET|HEAD|OPTIONS)$/;

export class KeyturnError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.hint ?? `HTTP status ${status}`);
    this.name = "KeyturnError";
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.hint = this.message;
    this.retryAfter = retryAfter;
    this.reason = problem.reason;
    this.isLoggedOut = ENDED.includes(this.code);
  }
}

export function createClient({ url = new URL(".", import.meta.url), deliver, origins = [] } = {}) {
  const page = globalThis.location?.href;
  const base = new URL(url, page).href.replace(/\/*$/, "/");
  // "null" is the origin of app shells and sandboxed frames: of many, so never a trusted one.
  const trusted = new Set([base, page, ...origins].filter(Boolean).map(originOf).filter((each) => each !== "null"));
  const name = `keyturn ${base}`;
  const credentials = deliver === "tokens" ? "omit" : "include";
  let tokens, csrfToken, refreshing;

  // One call at a time sets cookies, over all tabs of the origin: an older answer must not arrive last.
  const alone = (task) =>
    credentials === "include" && globalThis.navigator?.locks ? navigator.locks.request(name, task) : task();

  const setCsrfToken = (token) => {
    csrfToken = token;
    try {
      token ? localStorage.setItem(name, token) : localStorage.removeItem(name);
    } catch {} // blocked
  };

  const storedCsrfToken = () => {
    try {
      return localStorage.getItem(name);
    } catch {}
  };

  const keep = ({ access_token: access, refresh_token: refresh, ...answer }) => {
    tokens = access && { access, refresh };
    if (answer.csrf_token) setCsrfToken(answer.csrf_token);
    return answer;
  };

  const forget = () => {
    tokens = undefined;
    setCsrfToken();
  };

  const send = (request) => {
    csrfToken ??= storedCsrfToken();
    if (tokens) request.headers.set("Authorization", `Bearer ${tokens.access}`);
    else if (csrfToken && !SAFE.test(request.method)) request.headers.set("X-CSRF-Token", csrfToken);
    return fetch(request);
  };

  // Mends each refusal once: of a stale access token, and of the CSRF token of an earlier session.
  const attempt = async (request, run) => {
    for (const mended = []; ; ) {
      const used = tokens;
      const response = await run(() => send(request.clone()));
      const code = await refusalOf(response);
      if (mended.includes(code)) return response;
      mended.push(code);
      if (STALE.includes(code)) await refresh(used);
      else if (code === "csrf_token_required") await readSession();
      else return response;
    }
  };

  const requestOf = (path, body, method, ms) => {
    const isForm = !body || body instanceof URLSearchParams;
    return new Request(base + path, {
      method,
      body: isForm ? body : JSON.stringify(body),
      headers: isForm ? {} : { "Content-Type": "application/json" },
      credentials,
      cache: "no-store",
      redirect: "error",
      keepalive: true, // a closed tab still receives its cookies
      signal: AbortSignal.timeout(ms),
    });
  };

  const read = async (responding) => {
    let response, answer;
    try {
      response = await responding;
      answer = await response.json();
    } catch (error) {
      if (error instanceof KeyturnError) throw error;
      if (!response || response.ok) throw new KeyturnError(0, { code: "network_error", hint: String(error) }, null);
      answer = {};
    }
    if (response.ok) return answer;
    throw new KeyturnError(response.status, answer, Number(response.headers.get("Retry-After")) || null);
  };

  const call = (path, body, method = "POST") =>
    read(attempt(requestOf(path, body, method, CALL_MS), method === "GET" ? now : alone));

  const readSession = async () => {
    const { csrf_token: token, ...principal } = await call("session", undefined, "GET");
    if (token) setCsrfToken(token);
    return principal;
  };

  const persist = async (path, body, method) => {
    for (const [number, ms] of REFRESH_MS.entries()) {
      try {
        return await read(send(requestOf(path, body, method, ms)));
      } catch (error) {
        const isLost = error.status === 0 || (error.status >= 500 && !error.retryAfter);
        if (!isLost || number === REFRESH_MS.length - 1) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  };

  const renew = async () => {
    const held = tokens;
    if (!held) {
      // Only the server knows whether another tab has refreshed the cookies: scripts cannot read them.
      try {
        const { csrf_token: token } = await persist("session", undefined, "GET");
        return setCsrfToken(token);
      } catch (error) {
        if (!STALE.includes(error.code)) throw error;
      }
      csrfToken = storedCsrfToken() ?? csrfToken;
    }
    const form = { grant_type: "refresh_token", ...(held && { refresh_token: held.refresh }) };
    try {
      const answer = await persist("token", new URLSearchParams(form), "POST");
      if (tokens === held) keep(answer); // else: a login or a logout was faster
    } catch (error) {
      error.isLoggedOut ||= error.code === "invalid_member"; // the refresh cookie is gone
      if (error.isLoggedOut && tokens === held) tokens = undefined; // cookies stay, and need the CSRF token to be refused
      throw error;
    }
  };

  const refresh = (used) => {
    if (used === tokens) refreshing ??= alone(renew).finally(() => (refreshing = undefined));
    return refreshing;
  };

  const enter = async (path, email, password, more) => keep(await call(path, { email, password, deliver, ...more }));

  const end = async (path) => {
    try {
      const receipt = await call(path);
      forget();
      return receipt;
    } catch (error) {
      if (!error.isLoggedOut) throw error;
      tokens = undefined;
      return null;
    }
  };

  return {
    signup: (email, password, more) => enter("signup", email, password, more),
    login: (email, password, more) => enter("login", email, password, more),
    stepUp: async (password) => keep(await call("step-up", { password })),
    changePassword: async (current_password, new_password) =>
      keep(await call("password", { current_password, new_password })),
    logout: () => end("logout"),
    logoutOthers: () => call("logout-others"),
    logoutAll: () => end("logout-all"),
    async session() {
      try {
        return await readSession();
      } catch (error) {
        if (error.isLoggedOut) return null;
        throw error;
      }
    },
    async fetch(input, init) {
      const request = new Request(input, init);
      if (!trusted.has(originOf(request.url))) return fetch(request); // no credential leaves for another origin
      return attempt(credentials === "omit" ? request : new Request(request, { credentials }), now);
    },
  };
}

const now = (task) => task();
const originOf = (url) => new URL(url).origin;

// Returns the code of a 401 or a 403; "token_expired" also for a 401 that an application has worded itself.
const refusalOf = async (response) => {
  if (response.status !== 401 && response.status !== 403) return undefined;
  const { code } = await response.clone().json().catch(() => ({}));
  const challenge = response.headers.get("WWW-Authenticate") ?? "";
  return code ?? (challenge.includes('"invalid_token"') ? "token_expired" : undefined);
};
