// Sends changes in the order they were made, one at a time over all tabs, and keeps those that cannot be
// sent for later.
import { Refused, Unreachable, call } from "./api.js";
import * as db from "./db.js";
import * as session from "./session.js";
import * as store from "./store.js";
import { toast } from "./toast.js";

const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 60000;

// One user as long as the page is loaded: another one loads it anew.
const lock = "queue:" + session.user();
const channel = new BroadcastChannel(lock);
let running = false, again = false;
let current = null; // the op that is being sent
let failures = 0, timer = null;
let count = 0;
const told = new Map(); // key -> takes the message away
const done = new Map(); // seq -> resolve of add()'s promise
const unkept = new Set(); // seq of those that the browser could not keep

/** @param {string} id @returns {string} the address of a task */
export const url = (id) => "/api/tasks/" + encodeURIComponent(store.realId(id));
/** @param {number|undefined} version @returns {Object<string, string>} */
export const match = (version) => (version ? { "If-Match": `"${version}"` } : {});

async function create(op) {
  const { data } = await call("POST", "/api/tasks", { json: op.fields, headers: { "Idempotency-Key": op.key } });
  store.rename(op.id, data.id);
  store.accept(data);
  return { task: data };
}

async function update(op) {
  try {
    const { data } = await call("PUT", url(op.id), { json: op.fields, headers: match(op.version) });
    store.accept(data);
    return { task: data };
  } catch (error) {
    if (error.status !== 412) throw error;
    return (await import("./conflicts.js")).merge(op, tell);
  }
}

async function complete(op) {
  const { data } = await call("PATCH", url(op.id) + "/complete");
  store.accept(data.completed_task);
  if (data.next_task) store.accept(data.next_task);
  return { task: data.completed_task, next: data.next_task };
}

async function remove(op) {
  try {
    await call("DELETE", url(op.id), { headers: match(op.version) });
  } catch (error) {
    if (error.status === 412) return (await import("./conflicts.js")).keep(op, tell);
    if (error.status !== 404) throw error; // gone already: that is what was wanted
  }
  store.forget(op.id);
  return {};
}

async function restore(op) {
  const { data } = await call("POST", url(op.id) + "/restore");
  store.accept(data);
  return { task: data };
}

// Whichever tab sends: the user sees it in the tab they look at.
function show({ key, text, label, change }) {
  told.set(key, toast(text, { kind: "problem", label, action: () => {
    channel.postMessage({ answered: key });
    add(withBase(change));
  } }));
}

function tell(key, text, label, change) {
  channel.postMessage({ told: { key, text, label, change } });
  show({ key, text, label, change });
}

// What is there now is what the user's own value is put in place of.
function withBase(change) {
  if (!change.fields) return { ...change };
  const task = store.get(change.id);
  return { ...change, base: Object.fromEntries(Object.keys(change.fields).map((name) => [name, task?.[name] ?? null])) };
}

const SEND = { create, update, complete, delete: remove, restore };

function giveUp(op, error) {
  const title = store.get(op.id)?.title ?? op.fields?.title ?? "A task";
  if (error.status === 404 && op.kind === "restore") {
    tell(op.seq, `“${title}” cannot be brought back any more.`);
  } else if (error.status === 404) {
    store.forget(op.id);
    tell(op.seq, `“${title}” was deleted elsewhere; the change was dropped.`);
  } else {
    tell(op.seq, `“${title}” could not be saved: ${error.message}.`);
  }
}

// Later changes of the same task were made on top of this one.
function carryOn(op, result) {
  for (const later of store.waiting()) {
    if (later.seq === op.seq || later.id !== op.id && store.realId(later.id) !== store.realId(op.id)) continue;
    if (result.task && later.version === op.version) {
      later.version = result.task.version;
      db.putOp(later);
    }
  }
}

function finish(op, result) {
  carryOn(op, result);
  store.removeOp(op.seq);
  db.removeOp(op.seq);
  channel.postMessage({ done: op.seq, name: op.id, task: result?.task, kind: op.kind });
  done.get(op.seq)?.(result);
  done.delete(op.seq);
  unkept.delete(op.seq);
}

async function sendOne(op) {
  current = op; // from here on it is too late to cancel it
  try {
    if (!unkept.has(op.seq) && await db.lacksOp(op.seq)) { // another tab has sent it
      store.removeOp(op.seq);
      return;
    }
    finish(op, await SEND[op.kind](op));
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    giveUp(op, error);
    finish(op, {});
  } finally {
    current = null;
  }
}

async function sendAll() {
  while (store.waiting().length) await sendOne(store.waiting()[0]);
}

function later() {
  clearTimeout(timer);
  const most = Math.min(FIRST_WAIT_MS * 2 ** failures++, LONGEST_WAIT_MS);
  timer = setTimeout(flush, most * (0.5 + Math.random() / 2));
}

/** Sends what is waiting; where that fails, again later. */
export async function flush() {
  if (running) {
    again = true;
    return;
  }
  clearTimeout(timer);
  running = true;
  try {
    await (navigator.locks ? navigator.locks.request(lock, sendAll) : sendAll());
    failures = 0;
  } catch (error) {
    if (error.status !== 401) { // a new token brings us back
      if (!(error instanceof Unreachable)) console.error(error);
      later();
    }
  } finally {
    running = false;
  }
  if (again) {
    again = false;
    flush();
  }
}

/**
 * Takes a change: it shows at once and is sent as soon as it can be.
 * @param {Omit<import("./store.js").Op, "seq">} change
 * @returns {{op: import("./store.js").Op, done: Promise<{task?: object, next?: object}>}}
 */
export function add(change) {
  const op = { ...change, seq: `${Date.now()}-${String(count++).padStart(6, "0")}-${crypto.randomUUID()}` };
  if (op.kind !== "create") op.version ??= store.sent(op.id)?.version;
  store.addOp(op);
  const promise = new Promise((resolve) => done.set(op.seq, resolve));
  channel.postMessage({ added: op });
  db.putOp(op).then((kept) => {
    if (!kept) unkept.add(op.seq);
    flush();
  });
  return { op, done: promise };
}

/**
 * Takes back a change that was not sent.
 * @param {import("./store.js").Op} op
 * @returns {boolean} false: it is too late
 */
export function cancel(op) {
  const mine = store.waiting().includes(op) && current?.seq !== op.seq;
  if (mine) finish(op, {});
  return mine;
}

function hear({ data }) {
  if (data.added) store.addOp(data.added);
  if (data.told) show(data.told);
  if (data.answered) told.get(data.answered)?.();
  if (!data.done) return;
  if (data.kind === "create" && data.task) store.rename(data.name, data.task.id);
  if (data.task) store.accept(data.task);
  store.removeOp(data.done);
  done.get(data.done)?.({ task: data.task });
  done.delete(data.done);
}

channel.onmessage = hear;
addEventListener("online", flush);
