// Follows the revocation feed by pages (docs/reference/http.md, The feed). Knows which access tokens are revoked.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
const [PAUSE_MS, ANSWER_MS] = [1000, 3000];

export class Feed {
  #entries = new Map(); // by kind and key
  #position = {}; // log, sequence and mark of the last page; next: "seed" within a snapshot, then "after"
  #completeAt = -Infinity; // by the monotonic clock: when the request was sent, not when the answer arrived

  constructor(url, { serviceToken, boundSeconds }) {
    this.url = url;
    this.boundMs = boundSeconds * 1000;
    this.headers = { Accept: "application/json", ...(serviceToken && { Authorization: `Bearer ${serviceToken}` }) };
  }

  // False if a revocation older than the staleness bound may be unknown: no token may be accepted then.
  get isFresh() {
    return performance.now() - this.#completeAt <= this.boundMs;
  }

  isRevoked({ sid, sub, gen, client_id, iat }) {
    const value = (kind, key) => this.#entries.get(`${kind} ${key}`)?.value ?? 0;
    const notBefore = Math.max(value("everything", ""), value("client", client_id));
    // A session entry of a lower value voids older session cookies only.
    return value("session", sid) > Number.MAX_SAFE_INTEGER || gen < value("subject", sub) || iat < notBefore;
  }

  async follow() {
    for (;;) {
      const askedAt = performance.now();
      const isEnd = await this.#readPage().catch((error) => console.error(`feed: ${error.message}`));
      if (isEnd) this.#completeAt = askedAt;
      if (isEnd !== false) await sleep(PAUSE_MS); // false: more pages follow
    }
  }

  async #readPage() {
    const { log, sequence, mark, next = "seed" } = this.#position;
    const nonce = randomUUID(); // a page that a cache replays has another one (CWE-294)
    const query = new URLSearchParams({ nonce, ...(mark && { mark }) });
    if (sequence !== undefined) query.set(next, sequence);
    const [headers, signal] = [this.headers, AbortSignal.timeout(ANSWER_MS)];
    const response = await fetch(`${this.url}?${query}`, { headers, signal });
    const page = await response.json();
    if (!response.ok || page.nonce !== nonce) throw new Error(`${response.status}, or a page of a cache`);
    const isGap = !page.complete || (log ?? page.log) !== page.log;
    if (!isGap) for (const entry of page.entries) this.#merge(entry);
    // After a gap, a snapshot. What is revoked stays revoked.
    this.#position = isGap ? {} : { ...page, next: page.entries.length ? next : "after" };
    for (const [id, { expires_at }] of this.#entries)
      if (expires_at < Math.min(page.now ?? 0, Date.now() / 1000)) this.#entries.delete(id);
    return !isGap && page.entries.length === 0;
  }

  #merge({ kind, key, value, expires_at }) {
    const { value: known = 0, expires_at: until = 0 } = this.#entries.get(`${kind} ${key}`) ?? {};
    this.#entries.set(`${kind} ${key}`, { value: Math.max(value, known), expires_at: Math.max(expires_at, until) });
  }
}
