// Once the frame is there: reads what this browser has and what the server has, and stays in touch.
import * as db from "./db.js";
import { byId, plural } from "./dom.js";
import * as list from "./list.js";
import * as live from "./live.js";
import * as session from "./session.js";
import * as store from "./store.js";

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

// On a phone the chat comes when it is looked at; beside the tasks, when they are there.
let loading = null;
function loadChat() {
  loading ??= import("./chat.js").then(async (chat) => {
    await chat.start(session.user());
    return chat;
  }).catch((error) => {
    loading = null; // the next time
    throw error;
  });
  return loading;
}

function panes() {
  const show = (chat) => {
    document.body.classList.toggle("chat-open", chat);
    if (chat) loadChat();
    byId("tab-tasks").setAttribute("aria-pressed", String(!chat));
    byId("tab-chat").setAttribute("aria-pressed", String(chat));
  };
  byId("tab-tasks").onclick = () => show(false);
  byId("tab-chat").onclick = () => show(true);
  byId("filters").addEventListener("click", (event) => event.target.closest("a") && show(false));
}

const sendWaiting = () => import("./queue.js").then((queue) => queue.flush());

async function restore() {
  const [tasks, ops] = await Promise.all([db.tasks(), db.ops()]);
  store.restore(tasks, ops);
  if (tasks.length || ops.length) list.hasLoaded();
}

const idle = () => new Promise((resolve) => { (window.requestIdleCallback ?? setTimeout)(resolve); });

/** @param {() => Promise<void>} loadKeys  brings the shortcuts */
export async function start(loadKeys) {
  const user = session.user();
  db.use(user);
  store.keepIn(db.putTasks);
  Object.assign(list.older, { has: live.hasOlder, read: live.readOlder });
  panes();
  store.onChange(drawConnection);
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
  await idle();
  import("./actions.js");
  if (matchMedia("(hover: hover)").matches) loadKeys();
  if (matchMedia("(min-width: 1100px)").matches) loadChat();
  import("./shell.js").then((shell) => shell.start());
}
