// What changes in other tabs and on other devices, and the stream that tells of it.
import assert from "node:assert/strict";
import { FAILED_CALLS, addTask, canOpenOffline, checkbox, connection, eventually, live, misses, newTab, newUser, row, shows, spec,
  titles, toast } from "./support.mjs";

const NAMES = ["Apples", "Bread", "Cherries", "Dates", "Eggs", "Flour"];
const now = (page) => page.evaluate(() => performance.timeOrigin + performance.now());

// When the text came up in a tab, by the clock that all tabs share.
const seen = (page, text) => page.evaluate((wanted) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`“${wanted}” did not come`)), 60000);
  const list = document.getElementById("tasks");
  const look = () => {
    if (!list.textContent.includes(wanted)) return;
    observer.disconnect();
    resolve(performance.timeOrigin + performance.now());
  };
  const observer = new MutationObserver(look);
  observer.observe(list, { childList: true, subtree: true });
  look(); // it may be faster than this
}), text);

// The stream and the completed tasks come when they may.
function holdStart() {
  const { fetch } = window;
  window.held = {};
  window.fetch = (url, options) => {
    const part = ["/api/events", "status=completed"].find((text) => String(url).includes(text));
    if (!part || window.held[part] === "free") return fetch(url, options);
    return new Promise((go) => {
      window.held[part] = async () => {
        window.held[part] = "free";
        go(await fetch(url, options));
      };
    });
  };
}

spec("what changes elsewhere while the page loads is not missed", async ({ visit }) => {
  const user = newUser();
  const task = await user.add("Gone soon");
  const page = await visit({ user, init: holdStart, ready: false });
  await shows(page, "Gone soon");
  await page.waitForFunction(() => window.held["/api/events"] && window.held["status=completed"]);
  const late = await user.add("Late");
  await user.remove(task);
  for (const { id } of [late, task]) await eventually("it was told", async () => (await user.call("GET", `/api/tasks/${id}/history`)).entries.length > 0);
  await page.evaluate(() => window.held["/api/events"]().then(() => window.held["status=completed"]()));
  await live(page);
  await shows(page, "Late");
  await misses(page, "Gone soon");
});

spec("what one device changes shows on another (goal: within 200 ms)", async ({ visit }) => {
  const user = newUser();
  const [here, there] = [await visit({ user }), await visit({ user })];
  const took = [];
  for (const name of NAMES) {
    const arrival = seen(there, name);
    const began = await now(here);
    await addTask(here, name);
    took.push(await arrival - began);
  }
  took.sort((a, b) => a - b);
  console.log(`  from the key press to the other device: median ${took[3].toFixed(0)} ms, longest ${took.at(-1).toFixed(0)} ms`);
  await checkbox(there, "Apples").click();
  await misses(here, "Apples");
  await row(here, "Cherries").hover();
  await row(here, "Cherries").getByRole("button", { name: "Delete: Cherries" }).click();
  await misses(there, "Cherries");
  await toast(here, "Deleted “Cherries”").getByRole("button", { name: "Undo" }).click();
  await shows(there, "Cherries");
  await row(here, "Cherries").locator(".waiting").waitFor({ state: "detached" });
  await row(there, "Cherries").hover(); // and the other may delete it again
  await row(there, "Cherries").getByRole("button", { name: "Delete: Cherries" }).click();
  await misses(here, "Cherries");
  await eventually("the same in both", async () => JSON.stringify(await titles(here)) === JSON.stringify(await titles(there)));
});

spec("what one tab changes shows in another tab of the same browser, once", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  const tab = await newTab(page);
  const took = [];
  for (const name of NAMES) {
    const arrival = seen(tab, name);
    const began = await now(page);
    await addTask(page, name);
    took.push(await arrival - began);
  }
  console.log(`  from the key press to the other tab: longest ${Math.max(...took).toFixed(0)} ms`);
  await eventually("all on the server", async () => (await user.tasks()).length === NAMES.length);
  await eventually("each once in both", async () => (await titles(page)).length === NAMES.length && (await titles(tab)).length === NAMES.length);
});

spec("what is typed is not lost when the task changes elsewhere", async ({ visit }) => {
  const user = newUser();
  const task = await user.add("Plan");
  const page = await visit({ user });
  await row(page, "Plan").getByRole("button", { name: "Plan", exact: true }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("Plan for May");
  await user.change(task, { priority: "high" });
  await user.add("A sign that it came");
  await shows(page, "A sign that it came");
  assert.equal(await page.getByRole("textbox", { name: "Title" }).inputValue(), "Plan for May");
  await page.keyboard.press("Enter");
  await row(page, "Plan for May").getByText("High").waitFor();
  const both = await eventually("both changes", () => user.one("Plan for May"));
  assert.equal(both.priority, "high");
});

spec("a restart of the server is shown, and nothing is lost", async ({ visit, system: start }) => {
  const system = await start();
  const user = newUser(system.url);
  await user.add("Before");
  const page = await visit({ user, expected: [FAILED_CALLS] });
  await shows(page, "Before");
  await canOpenOffline(page);
  await system.kill();
  await page.locator("#connection:not([data-state=live])").waitFor();
  await addTask(page, "While it was down");
  await shows(page, "While it was down");
  await connection(page).getByText("1 change waiting").waitFor();
  await system.start();
  await user.add("From elsewhere");
  await live(page);
  await shows(page, "From elsewhere");
  await eventually("the change on the server", () => user.one("While it was down"));
  await eventually("all in the list", async () => (await titles(page)).length === 3);
  assert.equal((await user.tasks()).length, 3);
});

spec("what changed while the stream was cut shows when it is back", async ({ visit }) => {
  const user = newUser();
  const [kept, gone] = [await user.add("Kept"), await user.add("Removed meanwhile")];
  const page = await visit({ user, expected: [FAILED_CALLS] });
  await shows(page, "Kept");
  await canOpenOffline(page);
  await page.context().setOffline(true);
  await connection(page).getByText("Offline").waitFor();
  await user.change(kept, { title: "Kept, renamed" });
  await user.remove(gone);
  await user.add("New meanwhile");
  await page.context().setOffline(false);
  await live(page);
  await shows(page, "Kept, renamed");
  await shows(page, "New meanwhile");
  await misses(page, "Removed meanwhile");
});
