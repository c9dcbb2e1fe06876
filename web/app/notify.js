// Reminders: in the page always, as notifications of the browser where the user has asked for them.
import * as actions from "./actions.js";
import { dueLabel } from "./dates.js";
import * as store from "./store.js";
import { toast } from "./toast.js";

const KEY = "notify";

/** @returns {boolean} whether this browser can notify at all */
export const possible = () => "Notification" in window;

/** @returns {boolean} whether reminders are shown as notifications */
export const enabled = () => possible() && localStorage.getItem(KEY) === "on" && Notification.permission === "granted";

/** Asks for permission; only for a press on a button. @returns {Promise<"granted"|"denied"|"default">} */
export async function enable() {
  const answer = await Notification.requestPermission();
  if (answer === "granted") localStorage.setItem(KEY, "on");
  return answer;
}

/** Stops them. */
export const disable = () => localStorage.removeItem(KEY);

/** @param {{id: string, title: string, due: string|null}} reminder */
export async function reminder({ id, title, due }) {
  const task = store.get(id);
  toast(`Reminder: ${title}` + (due ? ` · due ${dueLabel(due, new Date())}` : ""), { kind: "problem",
    label: task && task.status !== "completed" && "Complete", action: () => actions.complete(id) });
  if (!enabled()) return;
  // The tag makes the tabs of this browser show one.
  const options = { tag: "reminder-" + id, body: due ? "Due " + dueLabel(due, new Date()) : "", icon: "/icons/icon-192.png" };
  const shell = await navigator.serviceWorker?.getRegistration();
  if (shell) await shell.showNotification(title, options);
  else new Notification(title, options);
}
