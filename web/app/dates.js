// Dates in words, in the timezone of the browser.

const DAY = 86400000;
const LOCALE = "en-GB";
// Made with its first use: that is slow.
const format = (options) => {
  let formatter = null;
  return (date) => (formatter ??= new Intl.DateTimeFormat(LOCALE, options)).format(date);
};
const clock = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const weekday = format({ weekday: "short" });
const dayMonth = format({ weekday: "short", day: "numeric", month: "short" });
const withYear = format({ day: "numeric", month: "short", year: "numeric" });

/** @returns {string} the IANA name of the browser's timezone */
export const timezone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @param {Date} date @returns {Date} the day's first moment */
export const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());

/**
 * Whole days of the calendar from one moment to another; daylight saving does not matter.
 * @param {Date} from @param {Date} to @returns {number}
 */
export function daysBetween(from, to) {
  const utc = (date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((utc(to) - utc(from)) / DAY);
}

/** @type {[string, string][]} the groups of the list, in order */
export const GROUPS = [["overdue", "Overdue"], ["today", "Today"], ["tomorrow", "Tomorrow"],
  ["week", "This week"], ["next-week", "Next week"], ["later", "Later"], ["none", "No date"]];

/**
 * @param {{due_date: string|null}} task
 * @param {Date} now
 * @returns {string} key of GROUPS
 */
export function groupOf(task, now) {
  if (!task.due_date) return "none";
  const due = new Date(task.due_date);
  if (due < now) return "overdue";
  const days = daysBetween(now, due);
  if (days === 0) return "today";
  if (days === 1) return "tomorrow";
  const left = 6 - (now.getDay() + 6) % 7; // days of this week after today; weeks begin on Monday
  return days <= left ? "week" : days <= left + 7 ? "next-week" : "later";
}

/** @param {Date} date @param {Date} now @returns {string} "Today", "Wed", "Wed, 2 Dec", "2 Dec 2027" */
export function dayLabel(date, now) {
  const days = daysBetween(now, date);
  if (days === 0) return "Today";
  if (days === 1) return "Tomorrow";
  if (days === -1) return "Yesterday";
  if (days > 1 && days < 7) return weekday(date);
  return date.getFullYear() === now.getFullYear() ? dayMonth(date) : withYear(date);
}

/** @param {string} iso @param {Date} now @returns {string} "Tomorrow, 09:00" */
export function dueLabel(iso, now) {
  const date = new Date(iso);
  return `${dayLabel(date, now)}, ${clock(date)}`;
}

const DAYS = { MO: "Mon", TU: "Tue", WE: "Wed", TH: "Thu", FR: "Fri", SA: "Sat", SU: "Sun" };
const UNITS = { DAILY: ["Daily", "days"], WEEKLY: ["Weekly", "weeks"], MONTHLY: ["Monthly", "months"],
  YEARLY: ["Yearly", "years"] };

/** @param {string} rule @returns {string} "Weekly", "Every 2 weeks on Fri", or "Repeats" */
export function ruleLabel(rule) {
  if (UNITS[rule]) return UNITS[rule][0];
  const days = /^INTERVAL:(\d+)$/.exec(rule);
  if (days) return days[1] === "1" ? "Daily" : `Every ${days[1]} days`;
  const parts = Object.fromEntries(rule.split(";").map((part) => part.split("=")));
  const unit = UNITS[parts.FREQ];
  if (!unit || parts.BYSETPOS || parts.BYMONTH) return "Repeats";
  if (parts.FREQ === "WEEKLY" && parts.BYDAY === "MO,TU,WE,TH,FR" && !(parts.INTERVAL > 1)) return "Weekdays";
  const names = (parts.BYDAY || "").split(",").map((day) => DAYS[day]).filter(Boolean);
  const every = parts.INTERVAL > 1 ? `Every ${parts.INTERVAL} ${unit[1]}` : unit[0];
  return every + (names.length && names.length === parts.BYDAY.split(",").length ? ` on ${names.join(", ")}` : "");
}

/** @param {number} minutes @returns {string} "30 min before", "1 day before" */
export function offsetLabel(minutes) {
  for (const [size, word] of [[10080, "week"], [1440, "day"], [60, "hour"]]) {
    if (minutes % size === 0) return `${minutes / size} ${word}${minutes === size ? "" : "s"} before`;
  }
  return `${minutes} min before`;
}
