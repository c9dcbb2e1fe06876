// Settings: theme, notifications, calendar, account.
import { call } from "./api.js";
import * as db from "./db.js";
import { field, openDialog, segments } from "./dialog.js";
import { el, plural } from "./dom.js";
import * as notify from "./notify.js";
import * as session from "./session.js";
import * as store from "./store.js";
import { refresh } from "./live.js";
import { toast } from "./toast.js";

const LARGEST = 1024 * 1024; // bytes that the server takes

function useTheme(theme) {
  if (theme === "auto") {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("theme", theme);
    document.documentElement.dataset.theme = theme;
  }
}

/** From what is shown to the other one. */
export function switchTheme() {
  const dark = (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  useTheme(dark ? "light" : "dark");
}

const button = (label, onclick, kind = "secondary") => el("button." + kind, { type: "button", onclick }, label);

function notifications() {
  const place = el("div.line", {});
  const draw = () => {
    if (!notify.possible()) return place.replaceChildren(el("p", {}, "This browser has no notifications."));
    if (notify.enabled()) return place.replaceChildren(el("p", {}, "Reminders are shown by this browser."), button("Turn off", () => { notify.disable(); draw(); }));
    if (Notification.permission === "denied") return place.replaceChildren(el("p", {}, "Notifications are blocked. Allow them for this page in your browser’s settings."));
    place.replaceChildren(button("Notify me in this browser", async () => { await notify.enable(); draw(); }));
  };
  draw();
  return el("section", {}, el("h3", {}, "Reminders"), place);
}

function calendar() {
  const place = el("div.field", {}, el("p", {}, "Loading…"));
  const attempt = (work) => async () => {
    try {
      draw((await work()).data.url ?? null);
    } catch (error) {
      toast(`The calendar: ${error.message}.`, { kind: "problem" });
    }
  };
  const create = attempt(() => call("POST", "/api/calendar"));
  const draw = (url) => {
    if (!url) return place.replaceChildren(el("div.line", {}, button("Create a calendar address", create)));
    const shown = el("input", { type: "text", readonly: true, value: url, "aria-label": "Calendar address", onfocus: (event) => event.target.select() });
    place.replaceChildren(shown, el("div.line", {}, button("Copy", async () => {
      await navigator.clipboard.writeText(url).then(() => toast("Copied"), () => shown.focus());
    }, "primary"), button("New address", create), button("Revoke", attempt(() => call("DELETE", "/api/calendar")), "danger")));
  };
  call("GET", "/api/calendar").then(({ data }) => draw(data.url), (error) => place.replaceChildren(
    el("p", {}, error.status === 404 || error.status === 405 ? "This server has no calendar feed." : `Not available now: ${error.message}.`)));
  return el("section", {}, el("h3", {}, "Calendar feed"),
    el("p", {}, "A secret address that calendar programs subscribe to. Who has it can read your tasks; a new address ends the old one."), place);
}

function importing() {
  const result = el("p", { role: "status" });
  const input = el("input", { type: "file", accept: ".ics,text/calendar", onchange: async () => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > LARGEST) return void (result.textContent = "The file is larger than 1 MB.");
    result.textContent = "Importing…";
    try {
      const { data } = await call("POST", "/api/import/calendar", { text: await file.text(), headers: { "Content-Type": "text/calendar" } });
      result.textContent = `${plural(data.created, "task")} imported.` + (data.skipped.length
        ? ` ${data.skipped.length} skipped: ${data.skipped.slice(0, 5).map((one) => `${one.title ?? "untitled"} (${one.reason})`).join(", ")}` : "");
      refresh().catch(() => {});
    } catch (error) {
      result.textContent = `Nothing was imported: ${error.message}.`;
    }
    input.value = "";
  } });
  return el("section", {}, el("h3", {}, "Import"), field("Tasks of another program (an .ics file with VTODO)", input), result);
}

async function signOut() {
  const waiting = store.waiting().length;
  if (waiting && !confirm(`${plural(waiting, "change")} not sent yet will be lost. Sign out?`)) return;
  const user = session.user();
  session.forget();
  if (user) await db.forget(user);
  location.replace("/");
}

/** Opens the dialog. */
export function open() {
  openDialog("Settings", [el("div.dialog-body", {},
    el("section", {}, el("h3", {}, "Appearance"), el("div", {}, segments("Theme", "theme", [["auto", "Automatic"], ["light", "Light"], ["dark", "Dark"]],
      document.documentElement.dataset.theme ?? "auto", useTheme))),
    notifications(), calendar(), importing(),
    el("section", {}, el("h3", {}, "Account"), el("div.line", {}, el("p", {}, `Signed in as ${session.user() ?? "nobody"}`),
      button("Sign out", signOut)), el("p", {}, "Signing out removes your tasks from this browser. Programs can use the same tasks: ",
      el("a", { href: "/docs" }, "the API"), ".")))]);
}
