// Decodes a token in the browser. The policy of the page forbids every request: nothing that is pasted can leave it.

const facts = JSON.parse(document.getElementById("facts").dataset.facts);
const read = (id) => Object.fromEntries([...document.getElementById(id).querySelectorAll("dt")]
  .map((term) => [term.textContent, term.nextElementSibling.textContent]));
const words = read("words");
const meanings = read("meanings");
const language = document.documentElement.lang;
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const SEALED = /^kt_([a-z]+)_([A-Za-z0-9_-]{22})\.(\d+)\.[A-Za-z0-9_-]{52}$/;
const TIMES = ["exp", "iat", "nbf", "auth_time"];
const LEEWAY = 60;
const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};
const $ = (id) => document.getElementById(id);
let turn = 0;
let timer;

function bytes(part) {
  if (!/^[A-Za-z0-9_-]*$/.test(part)) throw new Error("not base64url");
  return Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
}

const json = (part) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes(part)));

async function isSigned(header, text, signature) {
  const key = facts.keys.find((each) => each.kid === header.kid);
  const algorithm = ALGORITHMS[header.alg];
  // The algorithm is the key's, never the token's choice (RFC 8725 section 3.1).
  if (!key || !algorithm || key.alg !== header.alg) return false;
  const { alg, use, key_ops, ...jwk } = key;
  const imported = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, imported, signature, new TextEncoder().encode(text));
}

function fill(template, ...texts) {
  const element = $(template).content.firstElementChild.cloneNode(true);
  element.querySelectorAll("b, span, code, td:last-child").forEach((child, index) => { child.textContent = texts[index]; });
  return element;
}

function duration(seconds) {
  const [unit, length] = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, each]) => seconds >= each) ?? ["second", 1];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(Math.floor(seconds / length));
}

function when(value) {
  const left = value - Date.now() / 1000;
  const text = left >= 0 ? words.left.replace("{time}", duration(left)) : words.ago.replace("{time}", duration(-left));
  return `${exact.format(value * 1000)} (${text})`;
}

function showClaims(claims) {
  $("claims").replaceChildren(...Object.entries(claims).map(([name, value]) => {
    const shown = TIMES.includes(name) && Number.isFinite(value) ? when(value) : typeof value === "string" ? value : JSON.stringify(value);
    return fill("claim", name, shown, meanings[name] ?? "");
  }));
}

function show(verdict, isGood, parts, checks, claims) {
  $("result").hidden = false;
  $("verdict").textContent = verdict;
  $("verdict").className = `verdict ${isGood ? "good" : "bad"}`;
  $("parts").replaceChildren(...parts.map((part, index) => {
    const span = document.createElement("span");
    span.className = `part${index}`;
    span.textContent = (index ? "." : "") + part;
    return span;
  }));
  $("checks").replaceChildren(...checks.map(([passes, text]) => {
    const element = fill("check", passes === null ? "?" : passes ? "✓" : "✗", text);
    element.className = passes === null ? "open" : passes ? "good" : "bad";
    return element;
  }));
  $("decoded").hidden = !claims;
  clearInterval(timer);
  if (claims) {
    showClaims(claims);
    timer = setInterval(() => showClaims(claims), 1000);
  }
}

async function inspect(text) {
  const sealed = SEALED.exec(text);
  if (sealed) {
    const verdict = words.sealed.replace("{kind}", sealed[1]).replace("{sid}", sealed[2]);
    return show(verdict, true, text.split("."), [], null);
  }
  const parts = text.split(".");
  let header, claims, signature;
  try {
    if (parts.length !== 3) throw new Error("not three parts");
    [header, claims, signature] = [json(parts[0]), json(parts[1]), bytes(parts[2])];
  } catch {
    return show(words.unknown, false, parts, [[false, words.form]], null);
  }
  const now = Date.now() / 1000;
  const own = turn;
  const isSymmetric = /^HS/.test(header.alg);
  const signed = isSymmetric ? null : await isSigned(header, `${parts[0]}.${parts[1]}`, signature).catch(() => false);
  if (own !== turn) return; // something else was pasted meanwhile
  const audience = [claims.aud].flat();
  const isKnown = isSymmetric || facts.keys.some((each) => each.kid === header.kid);
  const checks = [
    [true, words.form],
    [header.typ === "at+jwt", words.type],
    [signed, isSymmetric ? words.symmetric : isKnown ? words.signature : words.key.replace("{kid}", header.kid)],
    [claims.iss === facts.issuer, words.issuer],
    [audience.some((each) => facts.audience.includes(each)), words.audience],
    [claims.exp > now, words.expiry],
    [claims.iat <= now + LEEWAY, words.issued],
  ];
  const isGood = checks.every(([passes]) => passes);
  show(isGood ? words.valid : words.invalid, isGood, parts, checks, { ...header, ...claims });
}

$("token").addEventListener("input", () => {
  turn += 1;
  const text = $("token").value.trim().replace(/^Bearer\s+/i, "").replace(/^(?:__Host-)?\w+=(?=kt_|ey)/, "");
  if (text) inspect(text);
  else $("result").hidden = true;
});
