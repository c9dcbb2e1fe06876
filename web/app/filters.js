// Which tasks are shown: the filter in the address (#/today, #/tag/work), and its navigation.
import { byId, el, icon } from "./dom.js";
import * as store from "./store.js";
import { daysBetween } from "./dates.js";

/** @typedef {{kind: string, value?: string, path: string, title: string}} Filter */

const open = (task) => task.status !== "completed";
const isOverdue = (task, now) => open(task) && task.due_date !== null && new Date(task.due_date) < now;

const PLAIN = {
  all: { title: "All tasks", icon: "inbox", test: open },
  today: { title: "Today", icon: "sun", test: (task, now) => open(task) && task.due_date !== null
    && daysBetween(now, new Date(task.due_date)) <= 0 },
  upcoming: { title: "Upcoming", icon: "calendar", test: (task, now) => open(task) && task.due_date !== null
    && new Date(task.due_date) >= now },
  overdue: { title: "Overdue", icon: "alert", test: isOverdue },
  completed: { title: "Completed", icon: "done", test: (task) => task.status === "completed" },
};
const PRIORITIES = { high: "High priority", medium: "Medium priority", low: "Low priority" };

/** @returns {Filter} what the address says */
export function current() {
  const [, kind = "all", value] = location.hash.split("/").map(decodeURIComponent); // a tag may have a slash
  if (kind === "tag" && value) return { kind, value, path: "#/tag/" + encodeURIComponent(value), title: "#" + value };
  if (kind === "priority" && PRIORITIES[value]) return { kind, value, path: "#/priority/" + value, title: PRIORITIES[value] };
  const name = PLAIN[kind] ? kind : "all";
  return { kind: name, path: name === "all" ? "#/" : "#/" + name, title: PLAIN[name].title };
}

/** @param {Filter} filter @param {import("./store.js").Task} task @param {Date} now @returns {boolean} */
export function fits(filter, task, now) {
  if (filter.kind === "tag") return task.tags.includes(filter.value) && open(task);
  if (filter.kind === "priority") return task.priority === filter.value && open(task);
  return PLAIN[filter.kind].test(task, now);
}

/**
 * Words in any order, in the title, the notes or the tags.
 * @param {string} search @param {import("./store.js").Task} task @returns {boolean}
 */
export function found(search, task) {
  const text = `${task.title}\n${task.description ?? ""}\n${task.tags.map((tag) => "#" + tag).join(" ")}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function link(path, label, count, chosen, mark) {
  return el("a", { href: path, "aria-current": chosen === path && "page" }, mark, el("span.label", {}, label),
    count > 0 && el("span.count", { "aria-label": `${count} open` }, String(count)));
}

let inView = "#/"; // the first one

// Later: now it would force a layout.
function follow(nav, chosen) {
  if (chosen === inView || !nav.querySelector("[aria-current]")) return;
  inView = chosen;
  requestAnimationFrame(() => nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }));
}

let shown = "";

/** Draws the navigation again where anything in it has changed. */
export function draw() {
  const now = new Date(), chosen = current().path;
  const tasks = store.list().filter(open);
  const tags = new Map();
  for (const task of tasks) for (const tag of task.tags) tags.set(tag, (tags.get(tag) ?? 0) + 1);
  const plain = Object.entries(PLAIN).map(([name, { test }]) => [name, tasks.filter((task) => test(task, now)).length]);
  const ranks = Object.keys(PRIORITIES).map((name) => [name, tasks.filter((task) => task.priority === name).length]);
  const sorted = [...tags].sort(([a], [b]) => a.localeCompare(b));
  const state = JSON.stringify([plain, ranks, sorted, chosen]);
  if (state === shown) return;
  shown = state;
  const nav = byId("filters");
  const focused = document.activeElement?.closest("#filters a")?.getAttribute("href");
  nav.replaceChildren(
    ...plain.map(([name, count]) => link(name === "all" ? "#/" : "#/" + name, PLAIN[name].title,
      name === "completed" ? 0 : count, chosen, icon(PLAIN[name].icon))),
    el("h2", {}, "Priority"),
    ...ranks.map(([name, count]) => link("#/priority/" + name, name[0].toUpperCase() + name.slice(1), count, chosen,
      el(`span.dot.${name}`, {}))),
    ...(sorted.length ? [el("h2", {}, "Tags")] : []),
    ...sorted.map(([tag, count]) => link("#/tag/" + encodeURIComponent(tag), tag, count, chosen,
      el("span.hash", { "aria-hidden": "true" }, "#"))));
  follow(nav, chosen);
  if (focused) nav.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}
