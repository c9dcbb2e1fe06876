// Tasks: what the server said last, and on top of it what was changed here and is not yet sent.
// Whatever shows tasks reads list() and get(), and asks to be told of changes.

/**
 * @typedef {object} Task  as the API gives it, and `waiting`: it has changes that were not sent
 * @typedef {object} Op  a change not yet sent
 * @property {string} seq  order, and key in the database
 * @property {"create"|"update"|"complete"|"delete"|"restore"} kind
 * @property {string} id  of the task; of one made here, a name until the server gives its id
 * @property {Object<string, any>} [fields]  what a create or update sets, or a restore brings back
 * @property {Object<string, any>} [base]  the values of these fields before
 * @property {number} [version]  of the task it was made on
 * @property {string} [key]  Idempotency-Key of a create
 */

const ECHO_MS = 2000;

const known = new Map(); // id -> task, as the server said
const gone = new Map(); // id -> version, of the deleted: a late event of it must not bring them back
const real = new Map(); // name of a task made here -> the server's id
const names = new Map(); // and back
const held = []; // new tasks of the stream, while creates of this browser are not answered
let ops = [];
let touched = null; // ids that changed while all is being read
let folded = null;
const listeners = new Set();

const EMPTY = { description: null, status: "pending", priority: "medium", due_date: null, tags: [],
  reminder_offset_minutes: null, remind_at: null, is_recurring: false, recurrence_rule: null,
  parent_task_id: null, timezone: null, repeat_from: "due_date", version: 0 };

/** The server's id of a task, where there is one by now. @param {string} id */
export const realId = (id) => real.get(id) ?? id;

/** A name of the task that stays the same when the server gives it an id. @param {string} id */
export const keyOf = (id) => names.get(id) ?? id;

function base(tasks, op, id) {
  if (op.kind === "create") return { ...EMPTY, id, created_at: new Date(Number(op.seq.slice(0, 13))).toISOString() };
  return tasks.get(id) ?? (op.kind === "restore" ? op.fields : undefined);
}

function apply(tasks, op) {
  const id = realId(op.id);
  const task = base(tasks, op, id);
  if (!task) return;
  if (op.kind === "delete") {
    tasks.delete(id);
    return;
  }
  const fields = op.kind === "complete" ? { status: "completed" } : op.kind === "restore" ? {} : op.fields;
  tasks.set(id, { ...task, ...fields, id, waiting: true,
    is_recurring: Boolean("recurrence_rule" in fields ? fields.recurrence_rule : task.recurrence_rule) });
}

function view() {
  if (!folded) {
    folded = ops.length ? new Map(known) : known;
    ops.forEach((op) => apply(folded, op));
  }
  return folded;
}

/** @returns {Task[]} all, in no order */
export const list = () => [...view().values()];

/** @param {string} id @returns {Task|undefined} */
export const get = (id) => view().get(realId(id));

/** @param {string} id @returns {Task|undefined} without the changes that were not sent */
export const sent = (id) => known.get(realId(id));

/** @param {() => void} fn  called once after any number of changes in a turn */
export const onChange = (fn) => listeners.add(fn);

let telling = false;
function changed() {
  folded = null;
  if (telling) return;
  telling = true;
  queueMicrotask(() => {
    telling = false;
    listeners.forEach((fn) => fn());
  });
}

const dirty = new Set();
let saving = null, keep = null;
function write() {
  saving = null;
  if (!keep) return;
  const ids = [...dirty];
  dirty.clear();
  keep(ids.map((one) => known.get(one)).filter(Boolean), ids.filter((one) => !known.has(one)), false);
}

function save(id) {
  dirty.add(id);
  saving ??= setTimeout(write, 200);
}

/** Where tasks are kept from now on. @param {(changed: Task[], gone: string[], all: boolean) => any} fn  all: nothing else is left */
export function keepIn(fn) {
  keep = fn;
}

const isGone = (task) => gone.get(task.id) >= task.version;

/** Takes what the server says of a task, unless something newer is known. @param {Task} task */
export function accept(task) {
  const have = known.get(task.id);
  if (isGone(task) || have && have.version >= task.version) return;
  known.set(task.id, task);
  touched?.add(task.id);
  save(task.id);
  changed();
}

const release = () => held.splice(0).forEach(accept);

/**
 * The same for what the stream says: a new task may be the echo of one that was made here, and whose id is not
 * known yet. So it waits for the answer, but not for long.
 * @param {Task} task
 */
export function hear(task) {
  if (known.has(task.id) || !ops.some((op) => op.kind === "create")) return accept(task);
  held.push(task);
  setTimeout(release, ECHO_MS);
}

/** @param {string} name @param {number} [version]  its last one, where that is known: a newer one has come back */
export function forget(name, version) {
  const id = realId(name);
  const have = known.get(id)?.version ?? 0;
  if (have > (version ?? have)) return;
  gone.set(id, Math.max(gone.get(id) ?? 0, version ?? have));
  if (!known.delete(id)) return;
  touched?.add(id);
  save(id);
  changed();
}

/** The server has named a task that was made here. @param {string} name @param {string} id */
export function rename(name, id) {
  real.set(name, id);
  names.set(id, name);
}

/** All tasks are about to be read; changes until `replace` are newer than what will be read. */
export function beginReading() {
  touched = new Set();
}

/** @param {Task[]} tasks  all that the server has */
export function replace(tasks) {
  const kept = [...(touched ?? [])].map((id) => known.get(id)).filter(Boolean);
  const late = touched ?? new Set();
  touched = null;
  known.clear();
  for (const task of tasks) if (!isGone(task) && !late.has(task.id)) known.set(task.id, task);
  for (const task of kept) known.set(task.id, task);
  keep?.([...known.values()], [], true);
  changed();
}

/** What this browser kept from the last time. @param {Task[]} tasks @param {Op[]} waiting */
export function restore(tasks, waiting) {
  for (const task of tasks) if (!known.has(task.id)) known.set(task.id, task);
  ops = [...waiting, ...ops.filter((op) => !waiting.some(({ seq }) => seq === op.seq))];
  changed();
}

/** @returns {Op[]} changes not yet sent, in order */
export const waiting = () => ops;

/** @param {Op} op */
export function addOp(op) {
  if (ops.some((other) => other.seq === op.seq)) return;
  ops = [...ops, op].sort((a, b) => (a.seq < b.seq ? -1 : 1));
  changed();
}

/** @param {string} seq */
export function removeOp(seq) {
  ops = ops.filter((op) => op.seq !== seq);
  if (!ops.some((op) => op.kind === "create")) release();
  changed();
}
