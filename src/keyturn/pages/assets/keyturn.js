// What pages gain by a script: local times, a button that shows a password, a countdown. All of them work without.

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const language = document.documentElement.lang;
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

for (const element of document.querySelectorAll("time[datetime]")) {
  const at = new Date(element.dateTime);
  const age = (Date.now() - at) / 1000;
  const [unit, seconds] = units.find(([, length]) => age >= length) ?? ["second", 1];
  element.title = exact.format(at);
  element.textContent = age < 60 ? relative.format(0, "second") : relative.format(-Math.floor(age / seconds), unit);
}

for (const button of document.querySelectorAll("[data-show]")) {
  const field = document.getElementById(button.dataset.show);
  const texts = [button.textContent, button.dataset.hideText];
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = field.type === "text";
    field.type = isShown ? "password" : "text";
    button.textContent = texts[isShown ? 0 : 1];
    button.setAttribute("aria-pressed", String(!isShown));
  });
}

for (const element of document.querySelectorAll("[data-countdown]")) {
  let left = Number(element.dataset.countdown);
  const text = element.textContent;
  const timer = setInterval(() => {
    left -= 1;
    element.textContent = left > 0 ? text.replace(element.dataset.countdown, String(left)) : "";
    if (left <= 0) clearInterval(timer);
  }, 1000);
}
