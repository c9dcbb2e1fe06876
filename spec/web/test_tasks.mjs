// Adding, completing, changing and removing tasks in the list.
import assert from "node:assert/strict";
import { addTask, checkbox, eventually, list, live, misses, newUser, noonDate, row, shows, spec, titles, toast } from "./support.mjs";

spec("a task that is typed shows at once and reaches the server", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  await addTask(page, "Water the plants");
  await shows(page, "Water the plants");
  const task = await eventually("the task on the server", () => user.one("Water the plants"));
  assert.equal(task.status, "pending");
  assert.equal(await page.getByRole("textbox", { name: "Add a task" }).inputValue(), "");
});

spec("a sentence is shown as it was understood while it is typed, and becomes that task", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  const field = page.getByRole("textbox", { name: "Add a task" });
  await field.fill("Call Sarah tomorrow 3pm #work high priority");
  const understood = page.locator("#understood");
  await understood.getByText("Call Sarah", { exact: true }).waitFor();
  await understood.locator(".due").waitFor();
  await understood.getByText("#work", { exact: true }).waitFor();
  assert.match(await page.locator("#add-marks mark.due").first().textContent(), /tomorrow 3pm/);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await shows(page, "Call Sarah");
  assert.match(await row(page, "Call Sarah").textContent(), /Tomorrow, 15:00.*High.*#work/);
  const task = await eventually("the task on the server", () => user.one("Call Sarah"));
  assert.deepEqual([task.due_date, task.priority, task.tags], [noonDate(1, 15).replace(/\.\d+Z/, ".000Z"), "high", ["work"]]);
});

spec("a task that was added is taken back by Undo", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  await addTask(page, "A mistake");
  await eventually("the task on the server", () => user.one("A mistake"));
  await toast(page, "Added “A mistake”").getByRole("button", { name: "Undo" }).click();
  await misses(page, "A mistake");
  await eventually("it is gone from the server", async () => !await user.one("A mistake"));
});

spec("a completed task leaves the list, and Undo brings it back", async ({ visit }) => {
  const user = newUser();
  await user.add("Pay the rent");
  const page = await visit({ user });
  await checkbox(page, "Pay the rent").click();
  await misses(page, "Pay the rent");
  await eventually("it is completed on the server", async () => (await user.one("Pay the rent")).status === "completed");
  await page.getByRole("status").getByRole("button", { name: "Undo" }).click();
  await shows(page, "Pay the rent");
  await eventually("it is open on the server", async () => (await user.one("Pay the rent")).status === "pending");
});

spec("a deleted task comes back with all it had", async ({ visit }) => {
  const user = newUser();
  const fields = { title: "Dentist", description: "Bring the card", priority: "high", due_date: noonDate(3, 9), tags: ["health"],
    recurrence_rule: "MONTHLY", reminder_offset_minutes: 60 };
  const { id } = await user.add(fields);
  const page = await visit({ user });
  await row(page, "Dentist").hover();
  await row(page, "Dentist").getByRole("button", { name: "Delete: Dentist" }).click();
  await misses(page, "Dentist");
  await eventually("it is gone from the server", async () => !await user.one("Dentist"));
  await toast(page, "Deleted “Dentist”").getByRole("button", { name: "Undo" }).click();
  await shows(page, "Dentist");
  const task = await eventually("it is back on the server", () => user.one("Dentist"));
  for (const [name, value] of Object.entries({ id, ...fields })) assert.deepEqual(task[name], value, name);
  await row(page, "Dentist").locator(".waiting").waitFor({ state: "detached" });
});

spec("a title is edited in its place; Enter saves, Escape leaves it as it was", async ({ visit }) => {
  const user = newUser();
  await user.add("Buy mlik");
  const page = await visit({ user });
  await row(page, "Buy mlik").getByRole("button", { name: "Buy mlik", exact: true }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("Buy milk");
  await page.keyboard.press("Enter");
  await shows(page, "Buy milk");
  await eventually("the new title on the server", () => user.one("Buy milk"));
  await row(page, "Buy milk").getByRole("button", { name: "Buy milk", exact: true }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("Something else");
  await page.keyboard.press("Escape");
  await row(page, "Buy milk").getByRole("button", { name: "Buy milk", exact: true }).waitFor();
  assert.equal((await user.tasks())[0].title, "Buy milk");
});

spec("completing a task of a series brings the next one", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Standup", due_date: noonDate(1, 9), recurrence_rule: "DAILY" });
  const page = await visit({ user });
  await row(page, "Standup").getByText("Tomorrow, 09:00").waitFor();
  await checkbox(page, "Standup").click();
  await row(page, "Standup").locator(".due").filter({ hasNotText: "Tomorrow" }).waitFor();
  const open = await user.tasks("status=active");
  assert.deepEqual(open.map((task) => task.due_date), [noonDate(2, 9)]);
});

spec("Undo of a completion in a series opens the same task, and completing it goes on with the series", async ({ visit }) => {
  const user = newUser();
  const first = await user.add({ title: "Standup", due_date: noonDate(1, 9), recurrence_rule: "DAILY" });
  const page = await visit({ user });
  const open = async () => (await user.tasks("status=active")).map(({ id, due_date }) => [id === first.id, due_date]);
  await checkbox(page, "Standup").click();
  await eventually("the next one", async () => JSON.stringify(await open()) === JSON.stringify([[false, noonDate(2, 9)]]));
  await toast(page, "Completed “Standup”").getByRole("button", { name: "Undo" }).click();
  await eventually("the first one alone", async () => JSON.stringify(await open()) === JSON.stringify([[true, noonDate(1, 9)]]));
  await row(page, "Standup").getByText("Tomorrow, 09:00").waitFor();
  await row(page, "Standup").locator(".waiting").waitFor({ state: "detached" });
  await checkbox(page, "Standup").click();
  await eventually("a next one again", async () => JSON.stringify(await open()) === JSON.stringify([[false, noonDate(2, 9)]]));
});

spec("text that looks like HTML stays text (S34)", async ({ visit }) => {
  const user = newUser();
  const evil = "<img src=/evil onerror=\"document.title='owned'\"><b>bold</b>";
  await user.add({ title: evil, description: evil, tags: ["<i>x</i>"] });
  const page = await visit({ user });
  await shows(page, evil);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await row(page, evil).getByRole("link", { name: "#<i>x</i>" }).click();
  await page.getByRole("heading", { name: "#<i>x</i>" }).waitFor();
  await row(page, evil).hover();
  await row(page, evil).getByRole("button", { name: "Delete: " + evil }).click();
  await toast(page, "Deleted").waitFor();
  await toast(page, "Deleted").getByRole("button", { name: "Undo" }).click();
  await shows(page, evil);
  await page.getByRole("textbox", { name: "Message" }).fill(`Add ${evil}`);
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "Chat" }).getByText("<b>bold</b>").first().waitFor();
  await page.getByRole("searchbox", { name: "Search" }).fill(evil);
  await shows(page, evil);
  assert.equal(await page.locator("img, #tasks b, #tasks i, #chat-log b, #toasts b").count(), 0);
  assert.notEqual(await page.title(), "owned");
  assert.ok(!asked.some((url) => url.includes("evil") && !url.includes("search=")), asked.join("\n"));
});

spec("tasks of the same moment keep their places", async ({ visit }) => {
  const user = newUser();
  for (const title of ["One", "Two", "Three"]) await user.add(title);
  const page = await visit({ user, serviceWorkers: "block" });
  let backwards = false;
  await page.route("**/api/tasks?status=active*", async (route) => {
    const answer = await route.fetch(), tasks = await answer.json();
    const same = tasks.map((task) => ({ ...task, created_at: "2026-01-01T00:00:00.000Z" }));
    await route.fulfill({ response: answer, json: backwards ? same.reverse() : same });
  });
  const seen = [];
  for (backwards of [false, true]) {
    // Without what it has kept, which it would put in first.
    await page.evaluate((name) => indexedDB.deleteDatabase(name), "todo:" + user.name);
    await page.reload();
    await live(page);
    await shows(page, "One");
    seen.push(await titles(page));
  }
  assert.deepEqual(seen[1], seen[0]);
});

spec("of many tasks each can be reached by going on", async ({ visit }) => {
  const user = newUser();
  for (let i = 0; i < 200; i += 20) {
    await Promise.all([...Array(20).keys()].map((k) => user.add({ title: `Task ${i + k}`, due_date: noonDate(1 + i + k, 9) })));
  }
  const page = await visit({ user });
  await shows(page, "Task 0");
  const drawn = (await titles(page)).length;
  assert.ok(drawn < 200, `${drawn} were drawn at once`);
  await page.locator("#more").scrollIntoViewIfNeeded();
  await row(page, "Task 199").waitFor();
  assert.equal((await titles(page)).length, 200);
  await list(page).getByRole("checkbox", { name: "Complete: Task 199" }).scrollIntoViewIfNeeded();
});

// What is waiting is looked up before it is sent: here that takes until it is let go.
function holdLookUps() {
  const { getKey } = IDBObjectStore.prototype;
  const held = [];
  window.letGo = () => { held.splice(0).forEach((go) => go()); window.letGo.now = true; };
  IDBObjectStore.prototype.getKey = function (key) {
    const request = getKey.call(this, key), answer = {};
    request.onsuccess = () => {
      answer.result = request.result;
      if (window.letGo.now) answer.onsuccess();
      else held.push(() => answer.onsuccess());
    };
    window.looking = true;
    return answer;
  };
}

spec("what is taken back just before it is sent is taken back on the server too", async ({ visit }) => {
  const user = newUser();
  await user.add("Hasty");
  const page = await visit({ user, init: holdLookUps });
  await shows(page, "Hasty");
  await checkbox(page, "Hasty").click();
  await misses(page, "Hasty");
  await page.waitForFunction(() => window.looking);
  const sent = page.waitForResponse((response) => response.request().method() === "PUT");
  await toast(page, "Hasty").getByRole("button", { name: "Undo" }).click();
  await page.evaluate(() => window.letGo());
  await sent;
  await shows(page, "Hasty");
  assert.equal((await user.one("Hasty")).status, "pending");
});

// A disk that is full, for what waits to be sent.
function keepNothing() {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (value) {
    if (this.name === "ops") throw new DOMException("The disk is full", "QuotaExceededError");
    return put.call(this, value);
  };
}

spec("a change that the browser cannot keep is sent all the same", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user, init: keepNothing });
  await addTask(page, "Not kept");
  await eventually("the task on the server", async () => Boolean(await user.one("Not kept")));
});
