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
let handlers = { onState: () => {}, onReminder: () => {} };

/** @returns {"connecting"|"live"|"offline"} */
export const connection = () => state;

function become(next) {
  if (state === next) return;
  state = next;
  handlers.onState(state);
}

async function pages(path) {
  const all = [];
  while (path) {
    const { data, headers } = await call("GET", path);
    all.push(...data);
    path = /<([^>]+)>; rel="next"/.exec(headers.get("Link") ?? "")?.[1];
  }
  return all;
}

async function readAll() {
  store.beginReading();
  const [active, completed] = await Promise.all([
    pages("/api/tasks?status=active&limit=1000"),
    call("GET", `/api/tasks?status=completed&sort=created_at&order=desc&limit=${COMPLETED}`)]);
  store.replace([...active, ...completed.data]);
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
  else if (payload.action === "deleted") store.forget(task_id);
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
    // Without an id to go on from, what happened before the stream was open is not in it.
    if (!lastId) await refresh();
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
 * @param {{onState: (state: string) => void, onReminder: (reminder: {id: string, title: string, due: string}) => void}} on
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
