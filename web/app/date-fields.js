// Dates of the details: in fields of a form, and how long ago.
import { dueLabel } from "./dates.js";

/** @param {string} iso @param {Date} now @returns {string} "just now", "5 min ago", "Yesterday, 10:00" */
export function agoLabel(iso, now) {
  const minutes = Math.round((now.getTime() - Date.parse(iso)) / 60000);
  if (minutes < 1) return "just now";
  return minutes < 60 ? `${minutes} min ago` : dueLabel(iso, now);
}

/** @param {string|null} iso @returns {{day: string, time: string}} for inputs of type date and time */
export function toInputs(iso) {
  if (!iso) return { day: "", time: "" };
  const date = new Date(iso);
  const two = (n) => String(n).padStart(2, "0");
  return { day: `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    time: `${two(date.getHours())}:${two(date.getMinutes())}` };
}

/** @param {string} day @param {string} time  "" is 09:00 @returns {string|null} RFC 3339 */
export function fromInputs(day, time) {
  const date = day ? new Date(`${day}T${time || "09:00"}`) : null;
  return date && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
}
