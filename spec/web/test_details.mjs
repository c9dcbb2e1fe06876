// The dialog with all that a task has, and its history.
import assert from "node:assert/strict";
import { FAILED_CALLS, dialog, eventually, newUser, noonDate, noonZone, openDetails, row, shows, spec, toast } from "./support.mjs";

const dayOf = (iso) => new Intl.DateTimeFormat("en-CA", { timeZone: noonZone() }).format(new Date(iso));

spec("all that a task has is changed in its details, and shows", async ({ visit }) => {
  const user = newUser();
  await user.add("Report");
  const page = await visit({ user });
  const details = await openDetails(page, "Report");
  await details.getByLabel("Title").fill("Quarterly report");
  await details.getByLabel("Notes").fill("With the numbers of March");
  await details.getByLabel("Due date", { exact: true }).fill(dayOf(noonDate(1, 15)));
  await details.getByLabel("Time", { exact: true }).fill("15:30");
  await details.getByLabel("Repeats").selectOption({ label: "Every 2 weeks" });
  await details.getByLabel("Reminder").selectOption({ label: "30 min before" });
  await details.getByText("High", { exact: true }).click();
  await details.getByLabel("Tags").fill("#Work, report");
  await details.getByText("More", { exact: true }).click();
  await details.getByLabel("State").selectOption({ label: "In progress" });
  await details.getByLabel("Next date counts from").selectOption({ label: "when it is completed" });
  await details.getByRole("button", { name: "Save" }).click();
  await details.waitFor({ state: "detached" });
  await shows(page, "Quarterly report");
  assert.match(await row(page, "Quarterly report").textContent(), /Tomorrow, 15:30.*Every 2 weeks.*30 min.*High.*In progress.*#work.*#report/);
  const task = await eventually("the changes on the server", () => user.one("Quarterly report"));
  assert.deepEqual({ ...task, id: 0, created_at: 0, updated_at: 0, version: 0, user_id: 0, timezone: 0, remind_at: 0 },
    { id: 0, created_at: 0, updated_at: 0, version: 0, user_id: 0, timezone: 0, remind_at: 0, title: "Quarterly report",
      description: "With the numbers of March", status: "in_progress", priority: "high", due_date: noonDate(1, 15, 30),
      tags: ["work", "report"], reminder_offset_minutes: 30, is_recurring: true, recurrence_rule: "FREQ=WEEKLY;INTERVAL=2",
      parent_task_id: null, repeat_from: "completion" });
});

spec("Cancel and Escape change nothing", async ({ visit }) => {
  const user = newUser();
  await user.add("As it is");
  const page = await visit({ user });
  let details = await openDetails(page, "As it is");
  await details.getByLabel("Title").fill("Something else");
  await details.getByRole("button", { name: "Cancel" }).click();
  await details.waitFor({ state: "detached" });
  details = await openDetails(page, "As it is");
  assert.equal(await details.getByLabel("Title").inputValue(), "As it is");
  await details.getByLabel("Title").fill("Something else");
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "detached" });
  await shows(page, "As it is");
  assert.deepEqual((await user.tasks()).map(({ title, version }) => [title, version]), [["As it is", 1]]);
});

spec("a reminder without a due date is refused in words, and nothing is lost", async ({ visit }) => {
  const user = newUser();
  await user.add("Tea");
  const page = await visit({ user });
  const details = await openDetails(page, "Tea");
  await details.getByLabel("Notes").fill("Green");
  await details.getByLabel("Reminder").selectOption({ label: "5 min before" });
  await details.getByRole("button", { name: "Save" }).click();
  await details.getByRole("alert").getByText("A reminder needs a due date.").waitFor();
  assert.equal(await details.getByLabel("Notes").inputValue(), "Green");
});

spec("what the server refuses is told, and the task is shown as it is", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Bins", due_date: noonDate(2, 9) });
  const page = await visit({ user, expected: [FAILED_CALLS] });
  const details = await openDetails(page, "Bins");
  await details.getByLabel("Repeats").selectOption({ label: "Other rule…" });
  await details.getByLabel("Rule (RFC 5545").fill("every blue moon");
  await details.getByRole("button", { name: "Save" }).click();
  await toast(page, "“Bins” could not be saved").waitFor();
  await row(page, "Bins").getByText("Repeats").waitFor({ state: "detached" });
  assert.equal((await user.one("Bins")).recurrence_rule, null);
});

spec("a rule of one's own is kept and shown in words", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Bins", due_date: noonDate(2, 9) });
  const page = await visit({ user });
  const details = await openDetails(page, "Bins");
  await details.getByLabel("Repeats").selectOption({ label: "Other rule…" });
  await details.getByLabel("Rule (RFC 5545").fill("FREQ=WEEKLY;BYDAY=TU,FR");
  await details.getByRole("button", { name: "Save" }).click();
  await row(page, "Bins").getByText("Weekly on Tue, Fri").waitFor();
  await eventually("the rule on the server", async () => (await user.one("Bins")).recurrence_rule === "FREQ=WEEKLY;BYDAY=TU,FR");
});

spec("the history says what happened to a task, the latest first", async ({ visit }) => {
  const user = newUser();
  const task = await user.add("Draft");
  await user.change(task, { title: "Final", priority: "high" });
  await eventually("both in the audit log", async () => (await user.call("GET", `/api/tasks/${task.id}/history`)).entries.length === 2);
  const page = await visit({ user });
  const details = await openDetails(page, "Final");
  await details.getByText("History", { exact: true }).click();
  await details.getByRole("listitem").first().waitFor();
  const entries = await details.getByRole("listitem").allTextContents();
  assert.match(entries[0], /^Title: Draft → Final; Priority: medium → high/);
  assert.match(entries[1], /^Created/);
});

spec("the history goes on where a task was deleted and brought back", async ({ visit }) => {
  const user = newUser();
  const task = await user.add("Draft");
  await user.remove(task);
  await user.call("POST", `/api/tasks/${task.id}/restore`);
  await eventually("all in the audit log", async () => (await user.call("GET", `/api/tasks/${task.id}/history`)).entries.length === 3);
  const page = await visit({ user });
  const details = await openDetails(page, "Draft");
  await details.getByText("History", { exact: true }).click();
  await details.getByRole("listitem").first().waitFor();
  const entries = await details.getByRole("listitem").allTextContents();
  ["Brought back", "Deleted", "Created"].forEach((word, i) => assert.ok(entries[i].startsWith(word), entries[i]));
});

spec("a due date is taken back without its reminder when that is over by then", async ({ visit }) => {
  const user = newUser();
  const due_date = new Date(Math.floor(Date.now() / 60000) * 60000 + 40 * 60000).toISOString();
  await user.add({ title: "Bins", due_date, reminder_offset_minutes: 30 });
  const page = await visit({ user });
  const details = await openDetails(page, "Bins");
  await details.getByLabel("Due date", { exact: true }).fill(dayOf(noonDate(3, 15)));
  await details.getByRole("button", { name: "Save" }).click();
  await eventually("the new date on the server", async () => (await user.one("Bins")).due_date !== due_date);
  await page.evaluate(() => {
    const { now } = Date;
    Date.now = () => now() + 15 * 60000;
  });
  await toast(page, "Changed “Bins”").getByRole("button", { name: "Undo" }).click();
  const task = await eventually("the date before", async () => {
    const found = await user.one("Bins");
    return found.due_date === due_date && found;
  });
  assert.equal(task.reminder_offset_minutes, null);
});

spec("a press beside the dialog closes it", async ({ visit }) => {
  const user = newUser();
  await user.add("Here");
  const page = await visit({ user });
  await openDetails(page, "Here");
  await page.mouse.click(5, 5);
  await dialog(page, "Task details").waitFor({ state: "detached" });
});
