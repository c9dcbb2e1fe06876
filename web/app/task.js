// One row of the list.
import { dueLabel, offsetLabel, ruleLabel } from "./dates.js";
import { el, icon } from "./dom.js";

// It comes when the list is there, or with the first use.
const act = (name, ...values) => import("./actions.js").then((actions) => actions[name](...values));

/**
 * What others set: main the dialog, which comes when it is needed, and list its drawing.
 * @type {{details: (id: string, field?: string) => void, list: () => void}}
 */
export const opens = { details: () => {}, list: () => {} };

function meta(task, now) {
  const done = task.status === "completed";
  const items = [];
  if (task.due_date) {
    const late = !done && new Date(task.due_date) < now;
    items.push(el(`span.due${late ? ".late" : ""}`, {}, icon("calendar"),
      late && el("span.hidden", {}, "Overdue: "), dueLabel(task.due_date, now)));
  }
  if (task.recurrence_rule) items.push(el("span", {}, icon("repeat"), ruleLabel(task.recurrence_rule)));
  if (task.reminder_offset_minutes && !done) {
    items.push(el("span", { title: "Reminder " + offsetLabel(task.reminder_offset_minutes) }, icon("bell"),
      el("span.hidden", {}, "Reminder "), offsetLabel(task.reminder_offset_minutes).replace(" before", "")));
  }
  if (task.priority === "high") items.push(el("span.high", {}, icon("flag"), "High"));
  if (task.priority === "low") items.push(el("span", {}, icon("flag"), "Low"));
  if (task.status === "in_progress") items.push(el("span", {}, icon("play"), "In progress"));
  if (task.description) items.push(el("span", {}, icon("note"), el("span.hidden", {}, "Has notes")));
  for (const tag of task.tags) items.push(el("a.tag", { href: "#/tag/" + encodeURIComponent(tag) }, "#" + tag));
  if (task.waiting) items.push(el("span.waiting", { title: "Not sent yet" }, icon("cloud"), el("span.hidden", {}, "Not sent yet")));
  return items.length ? el("div.meta", {}, ...items) : null;
}

/**
 * Turns the title into a field; Enter or leaving it saves, Escape does not.
 * @param {HTMLElement} row
 * @param {import("./store.js").Task} task
 */
export function editTitle(row, task) {
  const button = row.querySelector(".title");
  if (!button || row.querySelector(".title-field")) return;
  const field = el("input.title-field", { type: "text", "aria-label": "Title", maxlength: "255", value: task.title,
    enterkeyhint: "done" });
  let over = false;
  const end = (save, focus) => {
    if (over) return;
    over = true;
    const title = field.value.trim();
    field.replaceWith(button);
    if (focus) button.focus();
    queueMicrotask(opens.list); // what changed meanwhile; it may be the drawing that took the focus
    if (save && title && title !== task.title) act("edit", task.id, { title }, `Renamed to “${title}”`);
  };
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault(); // it would press the button that takes the field's place
      end(true, true);
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      end(false, true);
    }
  });
  field.addEventListener("blur", () => end(true, false));
  button.replaceWith(field);
  field.focus();
  field.select();
}

/**
 * @param {import("./store.js").Task} task
 * @param {Date} now
 * @returns {HTMLElement} the content of a list item
 */
export function taskRow(task, now) {
  const done = task.status === "completed";
  const row = el(`div.row${done ? ".done" : ""}`, {},
    el("label.check", {},
      el(`input.${task.priority}`, { type: "checkbox", "aria-label": "Complete: " + task.title, checked: done,
        onchange: () => act(done ? "reopen" : "complete", task.id) })),
    el("div.body", {},
      el("button.title", { type: "button", title: "Edit the title", onclick: () => editTitle(row, task) }, task.title),
      meta(task, now)),
    el("div.tools", {},
      el("button.plain", { type: "button", "aria-label": "Details: " + task.title, title: "Details",
        onclick: () => opens.details(task.id) }, icon("more")),
      el("button.plain.delete", { type: "button", "aria-label": "Delete: " + task.title, title: "Delete",
        onclick: () => act("remove", task.id) }, icon("trash"))));
  row.addEventListener("click", (event) => {
    if (!event.target.closest("button, a, input, label") && !String(getSelection())) opens.details(task.id);
  });
  return row;
}
