// Starts the page: signs in, shows what this browser has, reads what the server has, and stays in touch.
import { byId, plural } from "./dom.js";
import * as db from "./db.js";
import * as filters from "./filters.js";
import * as list from "./list.js";
import * as live from "./live.js";
import * as quickAdd from "./quick-add.js";
import * as session from "./session.js";
import * as store from "./store.js";
import { opens } from "./task.js";
import { call } from "./api.js";

const NAMES = { connecting: "Connecting…", live: "Live", offline: "Offline" };

function drawConnection() {
  const waiting = store.waiting().length;
  const state = live.connection();
  const place = byId("connection");
  place.dataset.state = state;
  const text = NAMES[state] + (waiting && state !== "live" ? ` · ${plural(waiting, "change")} waiting` : "");
  if (place.textContent !== text) place.textContent = text;
}

function drawBanner(good) {
  byId("banner").hidden = good;
  if (!good) import("./sign-in.js").then((signIn) => signIn.banner(byId("banner")));
}

function searching() {
  const field = byId("search");
  let timer;
  field.addEventListener("input", () => {
    list.searchFor(field.value);
    clearTimeout(timer);
    // Older completed tasks are not all here.
    timer = setTimeout(async () => {
      const text = field.value.trim();
      if (!text || live.connection() !== "live") return;
      const { data } = await call("GET", "/api/tasks?limit=100&search=" + encodeURIComponent(text)).catch(() => ({ data: [] }));
      data.forEach(store.accept);
    }, 300);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    field.value = "";
    list.searchFor("");
    field.blur();
  });
}

/** Where a dialog is needed its module comes, once. */
function dialogs() {
  opens.details = (id, field) => import("./details.js").then((details) => details.open(id, field));
  byId("open-settings").onclick = () => import("./settings.js").then((settings) => settings.open());
  const listen = () => addEventListener("keydown", onFirst, { once: true });
  // Without a network, before the page's files are kept: at another key, perhaps.
  const onFirst = (event) => import("./keys.js").then((keys) => keys.start(event), listen);
  listen();
  byId("open-help").onclick = () => import("./keys.js").then((keys) => keys.help());
}

// On a phone the chat comes when it is looked at; beside the tasks, when they are there.
let loading = null;
function loadChat() {
  loading ??= import("./chat.js").then(async (chat) => {
    await chat.start(session.user());
    return chat;
  });
  return loading;
}

function panes() {
  const show = (chat) => {
    document.body.classList.toggle("chat-open", chat);
    if (chat && session.user()) loadChat();
    byId("tab-tasks").setAttribute("aria-pressed", String(!chat));
    byId("tab-chat").setAttribute("aria-pressed", String(chat));
  };
  byId("tab-tasks").onclick = () => show(false);
  byId("tab-chat").onclick = () => show(true);
  byId("filters").addEventListener("click", (event) => event.target.closest("a") && show(false));
}

// The queue, and what uses it, come after the list.
const sendWaiting = () => import("./queue.js").then((queue) => queue.flush());

async function restore() {
  const [tasks, ops] = await Promise.all([db.tasks(), db.ops()]);
  store.restore(tasks, ops);
  if (tasks.length || ops.length) list.hasLoaded();
}

async function start() {
  const user = session.user();
  byId("sign-in").hidden = true;
  db.use(user);
  list.start();
  quickAdd.start();
  searching();
  store.onChange(filters.draw);
  store.onChange(drawConnection);
  addEventListener("hashchange", filters.draw);
  filters.draw();
  list.draw();
  live.start({
    onState: (state) => {
      drawConnection();
      if (state === "live") {
        sendWaiting();
        loading?.then((chat) => chat.online());
      }
    },
    onTasks: () => list.hasLoaded(),
    onReminder: (reminder) => import("./notify.js").then((notify) => notify.reminder(reminder)),
  });
  drawConnection();
  dialogs();
  session.onChange((good) => {
    drawBanner(good);
    if (!good) return;
    if (session.user() !== user) location.reload();
    live.hurry();
    sendWaiting();
  });
  addEventListener("storage", (event) => {
    if (event.key !== "token") return;
    if (session.user() !== user) location.reload();
  });
  await Promise.all([restore(), live.refresh().catch(() => list.hasLoaded(true))]);
  sendWaiting();
  import("./actions.js");
  if (matchMedia("(min-width: 1100px)").matches) loadChat();
  import("./shell.js").then((shell) => shell.start());
}

async function begin() {
  byId("theme").onclick = () => import("./settings.js").then((settings) => settings.switchTheme());
  panes();
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
