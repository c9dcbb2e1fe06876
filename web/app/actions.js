// What a user does to tasks, each with its way back.
import * as queue from "./queue.js";
import * as store from "./store.js";
import { timezone } from "./dates.js";
import { toast } from "./toast.js";

const KEPT = 50;
const undos = [];

/** Takes back the last change. */
export function undo() {
  const last = undos.pop();
  if (!last) return void toast("There is nothing to undo");
  last.closeToast?.();
  last.back();
  toast("Undone");
}

function reversible(text, back) {
  const entry = { back };
  undos.push(entry);
  if (undos.length > KEPT) undos.shift();
  entry.closeToast = toast(text, { label: "Undo", action: () => {
    const at = undos.indexOf(entry);
    if (at < 0) return;
    undos.splice(at, 1);
    back();
  } });
}

const quoted = (task) => `“${task.title.length > 40 ? task.title.slice(0, 39) + "…" : task.title}”`;

const reminderPassed = (due, offset) => Boolean(due && offset) && Date.parse(due) - offset * 60000 < Date.now();

function change(id, fields) {
  const task = store.get(id);
  return queue.add({ kind: "update", id, fields,
    base: Object.fromEntries(Object.keys(fields).map((name) => [name, task?.[name] ?? null])) });
}

/**
 * @param {Object<string, any>} fields  with a title
 * @param {string} [text]  of the message; without, there is none
 * @returns {string} the name of the task until the server gives its id
 */
export function add(fields, text) {
  const id = "new-" + crypto.randomUUID();
  const { op } = queue.add({ kind: "create", id, key: crypto.randomUUID(),
    fields: { timezone: timezone(), ...fields } });
  if (text) {
    reversible(text, () => {
      if (!queue.cancel(op)) queue.add({ kind: "delete", id });
    });
  }
  return id;
}

/**
 * @param {string} id
 * @param {Object<string, any>} fields  the changed ones
 * @param {string} [text]  what was done
 */
export function edit(id, fields, text) {
  const task = store.get(id);
  if (!task) return;
  const before = Object.fromEntries(Object.keys(fields).map((name) => [name, task[name] ?? null]));
  const { op } = change(id, fields);
  reversible(text ?? `Changed ${quoted({ ...task, ...fields })}`, () => {
    if (queue.cancel(op)) return;
    // A reminder whose time has passed cannot be set again.
    const { due_date, reminder_offset_minutes } = { ...store.get(id), ...before };
    if (("due_date" in before || "reminder_offset_minutes" in before) && reminderPassed(due_date, reminder_offset_minutes)) {
      before.reminder_offset_minutes = null;
    }
    change(id, before);
  });
}

// The next one of a series may come after the answer.
async function nextOf(task, answered) {
  if (answered || !task.recurrence_rule) return answered;
  for (let i = 0; i < 20; i++) {
    const next = store.list().find((other) => other.parent_task_id === store.realId(task.id));
    if (next) return next;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return null;
}

/** @param {string} id */
export function complete(id) {
  const task = store.get(id);
  if (!task || task.status === "completed") return;
  const { op, done } = queue.add({ kind: "complete", id });
  reversible(`Completed ${quoted(task)}`, async () => {
    if (queue.cancel(op)) return;
    const next = await nextOf(task, (await done).next);
    change(id, { status: task.status });
    if (next) queue.add({ kind: "delete", id: next.id });
  });
}

/** @param {string} id */
export function reopen(id) {
  const task = store.get(id);
  if (task) edit(id, { status: "pending" }, `Reopened ${quoted(task)}`);
}

/** @param {string} id */
export function remove(id) {
  const task = store.get(id);
  if (!task) return;
  const { op } = queue.add({ kind: "delete", id });
  reversible(`Deleted ${quoted(task)}`, () => {
    if (queue.cancel(op)) return;
    queue.add({ kind: "restore", id, fields: task });
  });
}
