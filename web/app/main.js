// Starts the page: shows the tasks as soon as it can, with few files; run.js has the rest.
import { byId } from "./dom.js";
import * as filters from "./filters.js";
import * as list from "./list.js";
import * as session from "./session.js";
import * as store from "./store.js";
import { opens } from "./task.js";

const FIRST_MS = 2000;

/** Where a dialog is needed its module comes, once. */
function dialogs() {
  opens.details = (id, field) => import("./details.js").then((details) => details.open(id, field));
  byId("open-settings").onclick = () => import("./settings.js").then((settings) => settings.open());
  byId("open-help").onclick = () => import("./keys.js").then((keys) => keys.help());
}

// What a field needs comes when it is touched.
function atFirstFocus(field, load) {
  const listen = () => field.addEventListener("focus", onFocus, { once: true });
  // Without a network, before the page's files are kept: the next time, perhaps.
  const onFocus = () => load().then((module) => module.start(), listen);
  listen();
  field.addEventListener("keydown", (event) => event.key === "Escape" && field.blur());
}

function fields() {
  const field = byId("add");
  const quickAdd = () => import("./quick-add.js");
  byId("add-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value;
    field.value = "";
    quickAdd().then((module) => module.submit(text), () => { field.value ||= text; });
  });
  atFirstFocus(field, quickAdd);
  atFirstFocus(byId("search"), () => import("./search.js"));
}

const PRINTED = /^(\S|Delete|Backspace|ArrowDown|ArrowUp)$/u;

// Shortcuts come when the list is there, or with the first key; what is typed until then is done after that, in order.
function shortcuts() {
  const typed = [];
  let loading = null;
  const load = () => {
    loading ??= import("./keys.js").then((keys) => {
      removeEventListener("keydown", hold);
      keys.start(typed);
    }, () => {
      typed.length = 0; // and at another key
      loading = null;
    });
    return loading;
  };
  const hold = (event) => {
    const { key, target } = event;
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || key === "Tab" || key === "Shift") return;
    if (!typed.length && !PRINTED.test(key) || target.closest?.("input:not([type=checkbox]), textarea, select, dialog")) return;
    event.preventDefault();
    typed.push(key);
    load();
  };
  addEventListener("keydown", hold);
  return load;
}

// A first visit shows the tasks before the rest is asked for; later all is kept here.
async function showEarly() {
  if (navigator.serviceWorker?.controller) return;
  const answer = await Promise.race([window.early?.answer, new Promise((go) => setTimeout(go, FIRST_MS))]);
  answer?.data.forEach(store.accept);
  if (answer) list.hasLoaded();
}

async function start() {
  byId("sign-in").hidden = true;
  store.onChange(filters.draw);
  addEventListener("hashchange", filters.draw);
  list.start();
  filters.draw();
  list.draw();
  dialogs();
  fields();
  const loadKeys = shortcuts();
  await showEarly();
  // All at once.
  const [run] = await Promise.all([import("./run.js"), import("./api.js"), import("./db.js"), import("./live.js")]);
  await run.start(loadKeys);
}

async function begin() {
  byId("theme").onclick = () => import("./settings.js").then((settings) => settings.switchTheme());
  session.takeFragment();
  if (!session.user()) await session.refresh();
  if (session.user()) return start();
  const signIn = await import("./sign-in.js");
  await signIn.screen(byId("sign-in"));
  session.onChange((good) => good && location.reload());
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) {
    session.takeFragment();
    location.reload();
  }
});
begin().catch(async (error) => {
  console.error(error);
  const { toast } = await import("./toast.js");
  toast("The page could not start: " + error.message, { kind: "problem" });
});
