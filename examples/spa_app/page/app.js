import { createClient } from "http://127.0.0.1:8000/auth/client.js";

const NOTES = "http://127.0.0.1:8000/notes";
const auth = createClient({ deliver: "token-cookies" });
const otherTabs = new BroadcastChannel("logins");
const part = (id) => document.getElementById(id);
const noteOf = (textContent) => Object.assign(document.createElement("li"), { textContent });
const showNotes = (texts) => part("notes").replaceChildren(...texts.map(noteOf));

async function callNotes(init) {
  const response = await auth.fetch(NOTES, { headers: { "Content-Type": "application/json" }, ...init });
  if (response.ok) return response.json();
  const { hint } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(hint ?? "The notes cannot be reached."), { isLoggedOut: response.status === 401 });
}

function choose(view) {
  for (const each of ["enter", "account"]) part(each).hidden = each !== view;
}

async function show() {
  const session = await auth.session();
  if (session) showNotes(await callNotes());
  choose(session ? "account" : "enter");
}

// Listener that runs a task and shows its text. Only a session that has ended leads to the login.
function shown(task) {
  return async (event) => {
    event?.preventDefault?.();
    try {
      part("message").textContent = (await task(event)) ?? "";
    } catch (error) {
      part("message").textContent = error.retryAfter ? `Try again in ${error.retryAfter} seconds.` : error.message;
      if (error.isLoggedOut) choose("enter");
    }
  };
}

const logOut = (method, text) => async () => {
  const receipt = await auth[method]();
  otherTabs.postMessage(method);
  await show();
  return receipt && `${text} The last copy of a login stops working within ${receipt.within_seconds} seconds.`;
};

part("enter").onsubmit = shown(async ({ target, submitter }) => {
  await auth[submitter.value](target.email.value, target.password.value);
  target.reset();
  otherTabs.postMessage("login");
  await show();
});
part("write").onsubmit = shown(async ({ target }) => {
  showNotes(await callNotes({ method: "POST", body: JSON.stringify({ text: target.text.value }) }));
  target.reset();
});
part("logout").onclick = shown(logOut("logout", "You are logged out."));
part("logoutAll").onclick = shown(logOut("logoutAll", "You are logged out everywhere."));
otherTabs.onmessage = shown(show);
shown(show)();
