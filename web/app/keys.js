// Keyboard shortcuts, and the sheet that lists them. Off while something is typed or a dialog is open.
import * as actions from "./actions.js";
import { byId } from "./dom.js";
import * as list from "./list.js";
import * as store from "./store.js";
import { editTitle, opens } from "./task.js";

const PRIORITIES = ["low", "medium", "high"];
const go = (path) => () => { location.hash = path; };
const focusOn = (id, tab) => () => {
  byId(tab).click();
  byId(id).focus();
};

const onTask = (fn) => () => {
  const item = list.focusedItem();
  const task = item && store.get(item.dataset.id);
  if (task) fn(task, item);
};

/** @type {[string, string, () => void][]} keys, what they do, and how */
const KEYS = [
  ["n", "Add a task", focusOn("add", "tab-tasks")],
  ["/", "Search", focusOn("search", "tab-tasks")],
  ["c", "Go to the chat", focusOn("message", "tab-chat")],
  ["j", "Next task", () => list.move(1)],
  ["k", "Previous task", () => list.move(-1)],
  ["x", "Complete or reopen", onTask((task) => (task.status === "completed" ? actions.reopen : actions.complete)(task.id))],
  ["e", "Edit the title", onTask((task, item) => editTitle(item, task))],
  ["o", "Open details", onTask((task) => opens.details(task.id))],
  ["d", "Due date", onTask((task) => opens.details(task.id, "due"))],
  ["t", "Tags", onTask((task) => opens.details(task.id, "tags"))],
  ["p", "Next priority", onTask((task) => actions.edit(task.id,
    { priority: PRIORITIES[(PRIORITIES.indexOf(task.priority) + 1) % 3] }))],
  ["Delete", "Delete", onTask((task) => actions.remove(task.id))],
  ["u", "Undo", () => actions.undo()],
  ["g a", "All tasks", go("#/")],
  ["g t", "Today", go("#/today")],
  ["g u", "Upcoming", go("#/upcoming")],
  ["g o", "Overdue", go("#/overdue")],
  ["g c", "Completed", go("#/completed")],
  [",", "Settings", () => byId("open-settings").click()],
  ["?", "This sheet", () => help()],
];
const byKey = new Map(KEYS.map(([key, , fn]) => [key, fn]));
byKey.set("ArrowDown", byKey.get("j")).set("ArrowUp", byKey.get("k")).set("Backspace", byKey.get("Delete"));

let first = ""; // of a sequence
let timer = null;

/** Shows the sheet. */
export const help = () => import("./help.js").then((sheet) => sheet.open(KEYS));

const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

function onKey(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || document.querySelector("dialog[open]") || document.body.matches(".signed-out")) return;
  // The chat's log scrolls by the arrows.
  if (event.key.startsWith("Arrow") && event.target.id === "chat-log") return;
  const keys = first ? `${first} ${event.key}` : event.key;
  clearTimeout(timer);
  first = "";
  if (keys === "g") {
    first = "g";
    timer = setTimeout(() => { first = ""; }, 1500);
    return;
  }
  const fn = byKey.get(keys);
  if (!fn) return;
  event.preventDefault();
  fn();
}

// As if it came now: where the one before has gone to a field, it is text of the field.
function type(key) {
  const field = document.activeElement;
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
  if (!field.dispatchEvent(event) || !typing(field)) return;
  if (key === "Enter") field.form?.requestSubmit();
  else if ([...key].length === 1) document.execCommand("insertText", false, key);
}

/** Begins to listen. @param {string[]} typed  keys that came before this module, in order */
export function start(typed) {
  document.addEventListener("keydown", onKey);
  typed.splice(0).forEach(type);
}
