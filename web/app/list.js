// The list of tasks: grouped, filtered, searched, and drawn anew only where something changed.
import { byId, el, icon, plural, stillness } from "./dom.js";
import { GROUPS, groupOf, startOfDay } from "./dates.js";
import * as filters from "./filters.js";
import * as store from "./store.js";
import { opens, taskRow } from "./task.js";

const SCREEN = 30, PAGE = 150; // rows drawn at a time, and soon; more near the end

/** Where older completed tasks come from; others set it. @type {{has: () => boolean, read: () => void}} */
export const older = { has: () => false, read: () => {} };

const RANK = { high: 0, medium: 1, low: 2 };
const rows = new Map(); // key -> {item, task, stamp}
let most = SCREEN;
let drawn = most;
let loaded = false;
let absent = false; // none could be read
let search = "";

const EMPTY = {
  all: ["Nothing to do", "Add a task, or tell the chat what is on your mind."],
  today: ["Nothing due today", "Enjoy it, or look at what is upcoming."],
  upcoming: ["Nothing upcoming", "Tasks with a due date show up here."],
  overdue: ["Nothing overdue", "You are on top of things."],
  completed: ["Nothing completed yet", "What you tick off is kept here."],
};

function byDue(a, b) {
  if (a.due_date !== b.due_date) {
    if (!a.due_date || !b.due_date) return a.due_date ? -1 : 1;
    return a.due_date < b.due_date ? -1 : 1;
  }
  // Those of one moment by id.
  return RANK[a.priority] - RANK[b.priority] || (a.created_at + a.id < b.created_at + b.id ? 1 : -1);
}

const byChange = (a, b) => ((a.updated_at ?? a.created_at) + a.id < (b.updated_at ?? b.created_at) + b.id ? 1 : -1);

/** @param {string} text */
export function searchFor(text) {
  search = text.trim();
  most = PAGE;
  draw();
}

/**
 * Tasks are there, from this browser or from the server.
 * @param {boolean} [missing]  they are not: the server cannot be reached, and this browser has none
 */
export function hasLoaded(missing = false) {
  if (!loaded) afterPaint(fillPage);
  loaded = true;
  absent = missing && store.list().length === 0;
  draw();
}

const afterPaint = (fn) => requestAnimationFrame(() => setTimeout(fn));

function fillPage() {
  if (most >= PAGE) return;
  most += SCREEN;
  draw();
  afterPaint(fillPage);
}

// The heading is part of the group's first item: a list holds items only.
function sections(filter, now) {
  const tasks = store.list().filter((task) => (!search || filters.found(search, task))
    && (search && filter.kind === "all" ? true : filters.fits(filter, task, now)));
  const active = tasks.filter((task) => task.status !== "completed").sort(byDue);
  const done = tasks.filter((task) => task.status === "completed").sort(byChange);
  const groups = new Map(GROUPS.map(([key, title]) => [key, { title, key, tasks: [] }]));
  for (const task of active) groups.get(groupOf(task, now)).tasks.push(task);
  return [...groups.values(), { title: "Completed", key: "completed", tasks: done }].filter((group) => group.tasks.length);
}

const headingOf = (group) => el(`h3.group.${group.key}`, {}, group.title,
  el("span.count", { "aria-hidden": "true" }, String(group.tasks.length)));

const PARTS = [".title", ".title-field", "input[type=checkbox]", ".delete", ".tools button"];

/**
 * Remembers what has the focus, for when it is to have it again: a row may be drawn anew meanwhile, or be gone,
 * and then the one in its place gets it.
 * @returns {() => void}
 */
export function keepFocus() {
  const node = document.activeElement, item = focusedItem();
  const part = PARTS.find((selector) => node?.matches(selector)) ?? ".title";
  const at = item ? [...byId("tasks").children].indexOf(item) : -1;
  return () => {
    if (node?.isConnected) return node.focus();
    const left = byId("tasks").children;
    if (item?.isConnected) item.querySelector(part)?.focus();
    else if (item && left.length) focusItem(left[Math.min(at, left.length - 1)]);
  };
}

function itemOf(task, heading, now, stamp) {
  const key = store.keyOf(task.id);
  let row = rows.get(key);
  if (!row) {
    row = { item: el("li.task", {}), task: null, stamp: "" };
    rows.set(key, row);
  }
  const mark = stamp + (heading ? heading.title + heading.tasks.length : "");
  if (row.task === task && row.stamp === mark) return row;
  if (row.item.querySelector(".title-field")) { // not under the user's hands
    row.item.querySelector("h3")?.remove();
    if (heading) row.item.prepend(headingOf(heading));
    return row;
  }
  const refocus = row.item.contains(document.activeElement) ? keepFocus() : null;
  row.item.dataset.id = task.id;
  row.item.replaceChildren(...(heading ? [headingOf(heading)] : []), taskRow(task, now));
  Object.assign(row, { task, stamp: mark });
  refocus?.();
  return row;
}

function drawEmpty(filter, any) {
  const place = byId("empty");
  place.hidden = any || !loaded;
  byId("loading").hidden = loaded;
  if (place.hidden) return;
  const [title, hint] = absent ? ["Your tasks are not here yet", "They show up once the server can be reached. You can add new ones."] : search ? [`Nothing matches “${search}”`, "Try fewer words, or another filter."]
    : EMPTY[filter.kind] ?? ["Nothing here", "No open task fits this filter."];
  place.replaceChildren(icon(absent ? "cloud" : search ? "search" : "done"), el("p.strong", {}, title), el("p", {}, hint));
}

/** Draws what has changed since the last time. */
export function draw() {
  const filter = filters.current(), now = new Date();
  const groups = sections(filter, now);
  const stamp = startOfDay(now).toISOString();
  const wanted = [];
  let total = 0;
  for (const group of groups) {
    total += group.tasks.length;
    group.tasks.forEach((task, i) => {
      if (wanted.length < most) wanted.push(itemOf(task, i === 0 ? group : null, now, stamp + group.key));
    });
  }
  const list = byId("tasks");
  const keep = new Set(wanted.map((row) => row.item));
  const focused = focusedItem();
  const refocus = focused && !keep.has(focused) ? keepFocus() : null;
  for (const [key, row] of rows) {
    if (keep.has(row.item)) continue;
    rows.delete(key);
    row.item.remove();
  }
  wanted.forEach((row, i) => {
    if (list.children[i] === row.item) return;
    // What is moved loses the focus: the others go behind it.
    if (row.item === focused) while (list.children[i] !== focused) list.append(list.children[i]);
    if (list.children[i] === row.item) return;
    const fresh = !row.item.isConnected && loaded && most === drawn && list.children.length > 0;
    list.insertBefore(row.item, list.children[i] ?? null);
    if (fresh && !stillness()) row.item.animate([{ opacity: 0, translate: "0 -4px" }, {}], 160);
  });
  drawn = most;
  list.hidden = wanted.length === 0;
  refocus?.();
  byId("more").hidden = total <= wanted.length && !(filter.kind === "completed" && older.has());
  byId("title").textContent = filter.title;
  byId("summary").textContent = loaded && !absent ? plural(total, "task") : "";
  document.title = filter.title + " · Todo";
  drawEmpty(filter, wanted.length > 0);
}

/** @param {Element|undefined} item */
export function focusItem(item) {
  item?.querySelector(".title, .title-field")?.focus();
  item?.scrollIntoView({ block: "nearest" });
}

/** @returns {HTMLElement|null} the item that has the focus */
export const focusedItem = () => document.activeElement?.closest("#tasks > li") ?? null;

/** @param {1|-1} step  moves the focus through the list */
export function move(step) {
  const items = [...byId("tasks").children];
  const at = items.indexOf(focusedItem());
  focusItem(items[at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.max(0, Math.min(items.length - 1, at + step))]);
}

/** Begins to draw what changes. */
export function start() {
  store.onChange(draw);
  opens.list = draw;
  addEventListener("hashchange", () => {
    most = PAGE;
    draw();
  });
  new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    most += PAGE;
    if (filters.current().kind === "completed") older.read();
    draw();
  }, { rootMargin: "400px" }).observe(byId("more"));
  setInterval(draw, 30000); // what was due becomes overdue
}
