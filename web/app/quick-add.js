// Adding a task by a sentence, which is shown as it was understood while it is typed.
import { Refused, call } from "./api.js";
import { dueLabel, offsetLabel, ruleLabel, timezone } from "./dates.js";
import { byId, el, icon, styles } from "./dom.js";

const PAUSE_MS = 180, PATIENCE_MS = 1500;
const ICONS = { due: "calendar", priority: "flag", recurrence: "repeat", reminder: "bell" };

let available = true;    // this server can preview
let last = null;         // {text, task, parts}: what is shown
let asking = null;       // AbortController of the question under way
let timer = null;

async function ask(text, signal) {
  const { data } = await call("POST", "/api/tasks/preview", { json: { text, timezone: timezone() }, signal });
  return { text, task: data.task, parts: data.parts ?? [] };
}

const words = (task, part) => part.label ?? { due: task?.due_date && dueLabel(task.due_date, new Date()),
  recurrence: task?.recurrence_rule && ruleLabel(task.recurrence_rule),
  reminder: task?.reminder_offset_minutes && offsetLabel(task.reminder_offset_minutes) }[part.kind] ?? part.text;

// The same text behind the field, with marks where something was understood.
function drawMarks(text, parts) {
  const marks = byId("add-marks");
  const pieces = [];
  let at = 0;
  for (const part of [...parts].sort((a, b) => a.start - b.start)) {
    if (part.start < at || part.end > text.length) continue;
    pieces.push(text.slice(at, part.start), el(`mark.${part.kind}`, {}, text.slice(part.start, part.end)));
    at = part.end;
  }
  marks.replaceChildren(...pieces, text.slice(at));
  marks.scrollLeft = byId("add").scrollLeft;
}

function show(preview) {
  last = preview;
  const text = byId("add").value;
  const current = preview && preview.text === text;
  drawMarks(text, current ? preview.parts : []);
  const place = byId("understood");
  const parts = current ? preview.parts : [];
  place.hidden = !parts.length && !(current && preview.problem);
  place.replaceChildren(...(current && preview.problem ? [el("span.problem-text", {}, preview.problem)] : []),
    ...(parts.length && preview.task?.title ? [el("span.what", {}, preview.task.title)] : []),
    ...parts.map((part) => el(`span.chip.${part.kind}`, {}, ICONS[part.kind] && icon(ICONS[part.kind]), words(preview.task, part))));
}

async function look() {
  const text = byId("add").value;
  asking?.abort();
  if (!available || !text.trim() || !navigator.onLine || text.length > 1000) return show(null);
  asking = new AbortController();
  try {
    const preview = await ask(text, asking.signal);
    if (byId("add").value === text) show(preview);
  } catch (error) {
    // An older server has no preview: the text is the title then.
    if (error instanceof Refused && (error.status === 404 || error.status === 405)) available = false;
    if (error.name === "AbortError" || byId("add").value !== text) return;
    show(error.status === 422 ? { text, task: null, parts: [], problem: error.message } : null);
  }
}

async function fieldsOf(text) {
  if (last?.text === text) return last.task;
  if (!available || !navigator.onLine || text.length > 1000) return null;
  const limit = new AbortController();
  const timeout = setTimeout(() => limit.abort(), PATIENCE_MS);
  try {
    return (await ask(text, limit.signal)).task;
  } catch {
    return null; // better a plain title than none
  } finally {
    clearTimeout(timeout);
  }
}

/** @param {string} text  what the field had */
export async function submit(text) {
  if (!text.trim()) return byId("add").focus();
  clearTimeout(timer);
  asking?.abort();
  const known = fieldsOf(text), actions = import("./actions.js");
  show(null);
  const task = await known;
  const fields = task?.title ? { ...task } : { title: text.trim().slice(0, 255) };
  delete fields.remind_at; // it follows from the due date
  for (const name of Object.keys(fields)) if (fields[name] === null) delete fields[name];
  (await actions).add(fields, fields.due_date ? `Added “${fields.title}” · ${dueLabel(fields.due_date, new Date())}`
    : `Added “${fields.title}”`);
}

/** Begins to listen to the field. */
export async function start() {
  await styles("/later.css");
  const field = byId("add");
  field.addEventListener("input", () => {
    // Marks of what stays the same stay until the answer comes.
    drawMarks(field.value, last && field.value.startsWith(last.text) ? last.parts : []);
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  });
  field.addEventListener("scroll", () => { byId("add-marks").scrollLeft = field.scrollLeft; });
  if (field.value) look(); // typed before this module was here
}
