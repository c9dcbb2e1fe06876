// Reminders: in the page, and as notifications of the browser.
import assert from "node:assert/strict";
import { dialog, eventually, newUser, spec, toast } from "./support.mjs";

// What would be shown by the system is kept instead.
const keepNotifications = () => {
  if (!window.ServiceWorkerRegistration) return; // the empty page before the first
  window.notified = [];
  const keep = (title, options) => { window.notified.push({ title, ...options }); };
  ServiceWorkerRegistration.prototype.showNotification = async (title, options) => keep(title, options);
  const Real = window.Notification;
  window.Notification = class {
    constructor(title, options) { keep(title, options); }
    static get permission() { return window.answered ?? Real.permission; }
    static async requestPermission() { return Real.permission; }
  };
};

// The shortest reminder is a minute before: a due date in a minute and some seconds. Where the machine stands still for those
// the reminder would be in the past, and is refused: then it is asked for once more.
const addSoon = (user, title) => eventually("a reminder that lies ahead", () => user.add(
  { title, due_date: new Date(Date.now() + 63000).toISOString(), reminder_offset_minutes: 1 }).catch((error) => {
  if (!error.message.includes("the reminder would be in the past")) throw error;
}));

spec("a reminder shows in the page, with a way to complete its task", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user, init: keepNotifications });
  await addSoon(user, "Take the cake out");
  await toast(page, "Reminder: Take the cake out").waitFor();
  assert.deepEqual(await page.evaluate(() => window.notified), []);
  await toast(page, "Reminder: Take the cake out").getByRole("button", { name: "Complete" }).click();
  await eventually("it is completed", async () => (await user.one("Take the cake out")).status === "completed");
});

spec("a reminder is a notification of the browser where the user has asked for it, until they turn it off", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user, init: keepNotifications, permissions: ["notifications"] });
  await page.getByRole("button", { name: "Settings" }).click();
  const settings = dialog(page, "Settings");
  await settings.getByRole("button", { name: "Notify me in this browser" }).click();
  await settings.getByText("Reminders are shown by this browser.").waitFor();
  await settings.getByRole("button", { name: "Close" }).click();
  await addSoon(user, "Take the cake out");
  await page.waitForFunction(() => window.notified.length > 0);
  const [shown, ...more] = await page.evaluate(() => window.notified);
  assert.equal(shown.title, "Take the cake out");
  assert.match(shown.body, /^Due Today/);
  assert.deepEqual(more, []);
  await page.getByRole("button", { name: "Settings" }).click();
  await settings.getByRole("button", { name: "Turn off" }).click();
  await settings.getByRole("button", { name: "Notify me in this browser" }).waitFor();
});
