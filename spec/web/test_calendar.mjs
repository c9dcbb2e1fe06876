// The calendar feed and the import, from the settings.
import assert from "node:assert/strict";
import { FAILED_CALLS, dialog, newUser, noonDate, row, shows, spec } from "./support.mjs";

async function openSettings(page) {
  await page.getByRole("button", { name: "Settings" }).click();
  await dialog(page, "Settings").waitFor();
  return dialog(page, "Settings");
}

spec("a calendar address is made, gives the due tasks, and ends when it is revoked", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Dentist", due_date: noonDate(2, 9) });
  const page = await visit({ user });
  const settings = await openSettings(page);
  await settings.getByRole("button", { name: "Create a calendar address" }).click();
  const address = settings.getByLabel("Calendar address");
  const url = await address.inputValue();
  const feed = await fetch(url);
  assert.match(feed.headers.get("content-type"), /^text\/calendar/);
  assert.match(await feed.text(), /SUMMARY:Dentist/);
  await settings.getByRole("button", { name: "New address" }).click();
  await page.waitForFunction((old) => document.querySelector("dialog input[readonly]")?.value !== old, url);
  const next = await address.inputValue();
  assert.equal((await fetch(url)).status, 404);
  assert.equal((await fetch(next)).status, 200);
  await settings.getByRole("button", { name: "Revoke" }).click();
  await settings.getByRole("button", { name: "Create a calendar address" }).waitFor();
  assert.equal((await fetch(next)).status, 404);
});

const ics = (...todos) => Buffer.from(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//spec//EN", ...todos, "END:VCALENDAR", ""].join("\r\n"));

spec("tasks of another program are imported from a file", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  const settings = await openSettings(page);
  await settings.getByLabel("Tasks of another program").setInputFiles({ name: "tasks.ics", mimeType: "text/calendar", buffer: ics(
    "BEGIN:VTODO", "UID:1", "SUMMARY:From elsewhere", "PRIORITY:1", "CATEGORIES:Imported", "END:VTODO",
    "BEGIN:VTODO", "UID:2", "SUMMARY:Another", "END:VTODO") });
  await settings.getByText("2 tasks imported.").waitFor();
  await settings.getByRole("button", { name: "Close" }).click();
  await shows(page, "Another");
  await row(page, "From elsewhere").getByText("#imported").waitFor();
});

spec("a file that is no calendar is refused in words", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user, expected: [FAILED_CALLS] });
  const settings = await openSettings(page);
  await settings.getByLabel("Tasks of another program").setInputFiles({ name: "notes.ics", mimeType: "text/calendar",
    buffer: Buffer.from("Dear diary") });
  await settings.getByText("Nothing was imported:").waitFor();
  assert.deepEqual(await user.tasks(), []);
});
