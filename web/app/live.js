// What changes elsewhere, as it does: GET /api/events by fetch, because EventSource cannot send the token.
import { Refused, call, open } from "./api.js";
import * as store from "./store.js";

const SILENCE_MS = 40000; // the server says something every 15 s
const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 30000;
const COMPLETED = 200;

let lastId = null;
let state = "connecting";
let failures = 0;
let wake = null;
let abort = null;
let reading = null;
let older; // where the next completed tasks are
let handlers = { onState: () => {}, onTasks: () => {}, onReminder: () => {} };

/** @returns {"connecting"|"live"|"offline"} */
export const connection = () => state;

function become(next) {
  if (state === next) return;
  state = next;
  handlers.onState(state);
}

// What index.html asked for, once.
function early(path) {
  const asked = window.early;
  window.early = null;
  return asked?.path === path ? asked.answer : null;
}

const nextOf = (headers) => /<([^>]+)>; rel="next"/.exec(headers.get("Link") ?? "")?.[1];

async function pages(path) {
  const all = [];
  while (path) {
    const { data, headers } = await early(path) ?? await call("GET", path);
    all.push(...data);
    path = nextOf(headers);
  }
  return all;
}

async function readAll() {
  store.beginReading();
  const [active, completed] = await Promise.all([
    pages("/api/tasks?status=active&limit=1000").then((tasks) => {
      tasks.forEach(store.accept); // what is to be done need not wait for what is done
      handlers.onTasks();
      return tasks;
    }),
    call("GET", `/api/tasks?status=completed&sort=created_at&order=desc&limit=${COMPLETED}`)]);
  store.replace([...active, ...completed.data]);
  older = nextOf(completed.headers);
}

/** @returns {boolean} whether the server has older completed tasks than those that were read */
export const hasOlder = () => Boolean(older);

/** Reads some of them. */
export async function readOlder() {
  const path = older;
  older = undefined;
  if (!path) return;
  try {
    const { data, headers } = await call("GET", path);
    older = nextOf(headers);
    data.forEach(store.accept);
  } catch {
    older = path; // the next time
  }
}

/** Reads all open tasks and the newest of the completed ones; calls at the same time share one reading. */
export function refresh() {
  reading ??= readAll().finally(() => { reading = null; });
  return reading;
}

function onEvent({ id, event, data }) {
  if (id) lastId = id;
  if (event === "reset") return void refresh().catch(() => abort?.abort());
  if (!data) return;
  const { event_type, payload, task_id } = JSON.parse(data);
  if (event_type === "reminder.sent") handlers.onReminder({ id: task_id, title: payload.task_title, due: payload.due_at });
  else if (payload.action === "deleted") store.forget(task_id, payload.task?.version);
  else if (payload.task) store.hear(payload.task);
}

/**
 * Splits server-sent events off a growing text.
 * @param {string} text
 * @param {(event: {id?: string, event?: string, data?: string}) => void} emit
 * @returns {string} what is not a whole event yet
 */
export function parse(text, emit) {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop();
  for (const block of blocks) {
    const event = {};
    for (const line of block.split(/\r?\n/)) {
      const found = /^(id|event|data): ?(.*)$/.exec(line);
      if (found) event[found[1]] = found[1] === "data" && event.data !== undefined ? `${event.data}\n${found[2]}` : found[2];
    }
    emit(event);
  }
  return rest;
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {(event: object) => void} emit
 * @param {() => void} [heard]  called for each piece
 */
export async function readEvents(body, emit, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard?.();
    text = parse(text + value, emit);
  }
}

async function listen() {
  abort = new AbortController();
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  heard();
  try {
    const answer = await open("/api/events", { signal: abort.signal,
      headers: lastId ? { "Last-Event-ID": lastId } : {} });
    if (!answer.ok) throw new Refused(answer.status, "no stream");
    // Without an id to go on from, what happened before the stream was open is not in it, nor in what is being read.
    if (!lastId) {
      await reading?.catch(() => {});
      await refresh();
    }
    failures = 0;
    become("live");
    await readEvents(answer.body, onEvent, heard);
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

const pause = (ms) => new Promise((resolve) => {
  wake = resolve;
  setTimeout(resolve, ms);
});

async function run() {
  for (;;) {
    let signedOut = false;
    try {
      await listen();
    } catch (error) {
      signedOut = error.status === 401;
    }
    become(navigator.onLine && failures < 2 ? "connecting" : "offline");
    const most = Math.min(FIRST_WAIT_MS * 2 ** failures++, LONGEST_WAIT_MS);
    await pause(signedOut ? LONGEST_WAIT_MS * 2 : most * (0.3 + 0.7 * Math.random()));
  }
}

/** Tries now rather than after the pause. */
export function hurry() {
  failures = 0;
  wake?.();
}

/**
 * @param {{onState: (state: string) => void, onTasks: () => void, onReminder: (reminder: {id: string, title: string, due: string}) => void}} on
 */
export function start(on) {
  handlers = on;
  addEventListener("online", hurry);
  addEventListener("offline", () => {
    abort?.abort();
    become("offline");
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && state !== "live") hurry();
  });
  run();
}
