// Somebody else changed a task before a change of ours arrived: other fields are merged; of the same field
// the server's value stays, and the user is told.
import { Unreachable, call } from "./api.js";
import { match, url } from "./queue.js";
import * as store from "./store.js";

const TRIES = 5;
const WORDS = { title: "title", description: "notes", due_date: "due date", priority: "priority", tags: "tags",
  reminder_offset_minutes: "reminder", recurrence_rule: "repetition", timezone: "timezone", status: "state",
  repeat_from: "repetition" };

const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const pick = (fields, names) => Object.fromEntries(names.map((name) => [name, fields[name]]));

/** @typedef {(key: string, text: string, label?: string, change?: object) => void} Tell */

/**
 * Sends an update whose task has moved on.
 * @param {import("./store.js").Op} op
 * @param {Tell} tell
 * @returns {Promise<{task: object}>}
 */
export async function merge(op, tell) {
  let { fields } = op;
  for (let i = 0; i < TRIES; i++) {
    const { data: task } = await call("GET", url(op.id));
    store.accept(task);
    const names = Object.keys(fields);
    const lost = names.filter((name) => !same(task[name], op.base[name]) && !same(task[name], fields[name]));
    if (lost.length) {
      tell(op.seq, `“${task.title}”: the ${lost.map((name) => WORDS[name] ?? name).join(" and ")} was also changed elsewhere, `
        + "and that was kept.", "Use mine", { kind: "update", id: task.id, fields: pick(fields, lost) });
    }
    fields = pick(fields, names.filter((name) => !lost.includes(name)));
    if (!Object.keys(fields).length) return { task };
    try {
      const { data } = await call("PUT", url(op.id), { json: fields, headers: match(task.version) });
      store.accept(data);
      return { task: data };
    } catch (error) {
      if (error.status !== 412) throw error;
    }
  }
  throw new Unreachable("The task changes all the time");
}

/**
 * Does not delete what the user has not seen.
 * @param {import("./store.js").Op} op
 * @param {Tell} tell
 * @returns {Promise<{task: object}>}
 */
export async function keep(op, tell) {
  const { data: task } = await call("GET", url(op.id));
  store.accept(task);
  tell(op.seq, `“${task.title}” was changed elsewhere, so it was not deleted.`, "Delete anyway", { kind: "delete", id: task.id });
  return { task };
}
