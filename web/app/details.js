// The dialog with all that a task has, and its history.
import * as actions from "./actions.js";
import { call } from "./api.js";
import { agoLabel, fromInputs, toInputs } from "./date-fields.js";
import { dueLabel, offsetLabel, ruleLabel, timezone } from "./dates.js";
import { field, openDialog, segments, select } from "./dialog.js";
import { el } from "./dom.js";
import * as store from "./store.js";

const RULES = [["", "Does not repeat"], ["DAILY", "Daily"], ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Weekdays"], ["WEEKLY", "Weekly"],
  ["FREQ=WEEKLY;INTERVAL=2", "Every 2 weeks"], ["MONTHLY", "Monthly"], ["YEARLY", "Yearly"]];
const OFFSETS = [5, 10, 15, 30, 60, 120, 1440, 2880, 10080];
const OTHER = "other";

function recurrence(task) {
  const rule = task.recurrence_rule ?? "";
  const listed = RULES.some(([value]) => value === rule);
  const choice = select([...RULES, ...(listed ? [] : [[rule, ruleLabel(rule)]]), [OTHER, "Other rule…"]], rule);
  const own = el("input", { type: "text", value: rule, placeholder: "FREQ=MONTHLY;BYDAY=1MO", spellcheck: "false" });
  const ownField = field("Rule (RFC 5545, or INTERVAL:days)", own);
  ownField.hidden = true;
  choice.addEventListener("change", () => { ownField.hidden = choice.value !== OTHER; });
  return { choice, ownField, value: () => (choice.value === OTHER ? own.value.trim() : choice.value) || null };
}

function reminder(task) {
  const offset = task.reminder_offset_minutes;
  const offsets = offset && !OFFSETS.includes(offset) ? [...OFFSETS, offset].sort((a, b) => a - b) : OFFSETS;
  const choice = select([["", "No reminder"], ...offsets.map((n) => [String(n), offsetLabel(n)])], String(offset ?? ""));
  return { choice, value: () => (choice.value ? Number(choice.value) : null) };
}

function zones(task) {
  const names = Intl.supportedValuesOf?.("timeZone") ?? [];
  const list = el("datalist", { id: "zones" }, ...names.map((name) => el("option", { value: name })));
  return { input: el("input", { type: "text", list: "zones", value: task.timezone ?? "", placeholder: timezone(), spellcheck: "false" }), list };
}

const tagsOf = (text) => [...new Set(text.split(/[,\s]+/).map((tag) => tag.replace(/^#/, "").toLowerCase()).filter(Boolean))];

const EVENTS = { "task.created": "Created", "task.updated": "Changed", "task.completed": "Completed", "task.deleted": "Deleted",
  "reminder.triggered": "Reminder went out" };
const NAMES = { title: "title", description: "notes", status: "state", priority: "priority", due_date: "due date", tags: "tags",
  reminder_offset_minutes: "reminder", recurrence_rule: "repetition", timezone: "timezone", repeat_from: "repetition" };

function inWords(name, value) {
  if (value === null || value === undefined || value === "") return "none";
  if (name === "due_date" || name === "remind_at") return dueLabel(value, new Date());
  if (name === "recurrence_rule") return ruleLabel(value);
  if (name === "reminder_offset_minutes") return offsetLabel(value);
  if (name === "tags") return value.map((tag) => "#" + tag).join(" ") || "none";
  return String(value).replace("_", " ");
}

function entryText(entry, before) {
  if (entry.event_type === "task.created" && entry.version > 1) return "Brought back";
  if (entry.event_type !== "task.updated") return EVENTS[entry.event_type] ?? entry.event_type;
  const names = Object.keys(NAMES).filter((name) => before && JSON.stringify(before[name] ?? null) !== JSON.stringify(entry.payload?.[name] ?? null));
  return names.length ? names.map((name) => `${NAMES[name][0].toUpperCase()}${NAMES[name].slice(1)}: ${inWords(name, before[name])} → ${inWords(name, entry.payload[name])}`).join("; ")
    : EVENTS["task.updated"];
}

function history(task) {
  const place = el("div", {});
  const box = el("details", {}, el("summary", {}, "History"), place);
  box.addEventListener("toggle", async () => {
    if (!box.open) return;
    place.replaceChildren(el("p", { role: "status" }, "Loading…"));
    try {
      const { data } = await call("GET", `/api/tasks/${encodeURIComponent(store.realId(task.id))}/history`);
      let before = null;
      const items = data.entries.map((entry) => {
        const text = entryText(entry, before);
        before = entry.payload ?? before;
        return el("li", {}, text, el("time", { datetime: entry.timestamp }, agoLabel(entry.timestamp, new Date())));
      });
      place.replaceChildren(items.length ? el("ul.history", {}, ...items.reverse()) : el("p", {}, "Nothing yet; it may take a moment."));
    } catch (error) {
      place.replaceChildren(el("p", {}, `The history cannot be read now: ${error.message}.`));
    }
  });
  return box;
}

const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

// A due date keeps its seconds where day and minute stay.
function dueOf(day, time, task) {
  const was = toInputs(task.due_date);
  return was.day === day.value && was.time === time.value ? task.due_date : fromInputs(day.value, time.value);
}

/**
 * @param {string} id
 * @param {"due"|"tags"} [focus]  the field to begin with
 */
export function open(id, focus) {
  const task = store.get(id);
  if (!task) return;
  const due = toInputs(task.due_date);
  const title = el("input", { type: "text", value: task.title, maxlength: "255", required: true });
  const notes = el("textarea", { value: task.description ?? "", maxlength: "2000", placeholder: "Anything worth remembering" });
  const day = el("input", { type: "date", value: due.day });
  const time = el("input", { type: "time", value: due.time });
  const tags = el("input", { type: "text", value: task.tags.join(", "), placeholder: "home, work", autocapitalize: "none" });
  const status = select([["pending", "To do"], ["in_progress", "In progress"], ["completed", "Completed"]], task.status);
  const from = select([["due_date", "the due date"], ["completion", "when it is completed"]], task.repeat_from);
  const rule = recurrence(task), remind = reminder(task), zone = zones(task);
  const problem = el("p.problem-text", { role: "alert" });

  const collect = () => {
    const priority = form.querySelector("input[name=priority]:checked").value;
    const fields = { title: title.value.trim(), description: notes.value.trim() || null, priority, status: status.value,
      due_date: dueOf(day, time, task), tags: tagsOf(tags.value), recurrence_rule: rule.value(),
      reminder_offset_minutes: remind.value(), timezone: zone.input.value.trim() || null, repeat_from: from.value };
    return Object.fromEntries(Object.entries(fields).filter(([name, value]) => !same(value, task[name])));
  };
  const check = () => {
    if (!title.value.trim()) return "A task needs a title.";
    if (remind.value() && !dueOf(day, time, task)) return "A reminder needs a due date.";
    return "";
  };
  const form = el("form", { method: "dialog", onsubmit: (event) => {
    event.preventDefault();
    problem.textContent = check();
    if (problem.textContent) return;
    const changes = collect();
    dialog.close();
    if (changes.status === "completed") {
      delete changes.status;
      if (Object.keys(changes).length) actions.edit(task.id, changes);
      actions.complete(task.id);
    } else if (Object.keys(changes).length) actions.edit(task.id, changes);
  } },
  el("div.dialog-body", {},
    field("Title", title), field("Notes", notes),
    el("div.pair", {}, field("Due date", day), field("Time", time)),
    el("div.pair", {}, field("Repeats", rule.choice), field("Reminder", remind.choice)), rule.ownField,
    el("div.pair.stack", {}, el("div.field", {}, el("span", { "aria-hidden": "true" }, "Priority"),
      segments("Priority", "priority", [["low", "Low"], ["medium", "Medium"], ["high", "High"]], task.priority)), field("Tags", tags)),
    el("details", {}, el("summary", {}, "More"),
      el("div.dialog-body", {}, el("div.pair", {}, field("State", status), field("Next date counts from", from)),
        field("Timezone", zone.input, "Repetition keeps the local time of this place."), zone.list)),
    history(task), problem),
  el("div.dialog-foot", {},
    el("button.danger", { type: "button", onclick: () => { dialog.close(); actions.remove(task.id); } }, "Delete"),
    el("span.space", {}),
    el("button.secondary", { type: "button", onclick: () => dialog.close() }, "Cancel"),
    el("button.primary", { type: "submit" }, "Save")));
  const dialog = openDialog("Task details", [form], { due: day, tags }[focus]);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
