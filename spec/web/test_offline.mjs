// Without a network: the page opens, changes wait, and what meets other changes is told.
import assert from "node:assert/strict";
import { FAILED_CALLS, addTask, canOpenOffline, checkbox, connection, eventually, live, misses, newUser, row, shows, spec,
  titles, toast } from "./support.mjs";

const expected = [FAILED_CALLS];
const offline = async (page) => {
  await canOpenOffline(page);
  await page.context().setOffline(true);
  await connection(page).getByText("Offline").waitFor();
};
const online = async (page) => {
  await page.context().setOffline(false);
  await live(page);
};
// What the page keeps is written a moment after it shows: its tasks, or the changes ("ops") that wait.
const kept = (page, user, count, what = "tasks") => eventually(`${count} ${what} in the browser's own copy`, () => page.evaluate(([name, store, wanted]) => new Promise((resolve) => {
  const opening = indexedDB.open("todo:" + name);
  opening.onsuccess = () => {
    const asking = opening.result.transaction(store).objectStore(store).count();
    asking.onsuccess = () => {
      opening.result.close();
      resolve(asking.result === wanted);
    };
  };
}), [user.name, what, count]));

const ready = async (page, user, count) => {
  await canOpenOffline(page);
  await kept(page, user, count);
};

// A page of somebody with one task, and then no network.
async function openOffline(visit) {
  const user = newUser();
  const task = await user.add("Title");
  const page = await visit({ user, expected });
  await shows(page, "Title");
  await offline(page);
  return { user, task, page };
}

async function rename(page, from, to) {
  await row(page, from).getByRole("button", { name: from, exact: true }).click();
  await page.getByRole("textbox", { name: "Title" }).fill(to);
  await page.keyboard.press("Enter");
  await shows(page, to);
}

spec("the page opens without a network and shows what it knew", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Readable", description: "Also the notes" });
  const page = await visit({ user, expected });
  await shows(page, "Readable");
  await ready(page, user, 1);
  await offline(page);
  await page.reload();
  await shows(page, "Readable");
  await connection(page).getByText("Offline").waitFor();
  await row(page, "Readable").getByRole("button", { name: "Details: Readable" }).click();
  assert.equal(await page.getByRole("dialog", { name: "Task details" }).getByLabel("Notes").inputValue(), "Also the notes");
});

spec("the page opens where the server is gone", async ({ visit, system: start }) => {
  const system = await start();
  const user = newUser(system.url);
  await user.add("Readable");
  const page = await visit({ user, expected });
  await shows(page, "Readable");
  await ready(page, user, 1);
  await system.kill();
  await page.reload();
  await shows(page, "Readable");
  await system.start();
  await live(page);
});

spec("changes made offline are kept over a reload, and sent once when the network is back", async ({ visit }) => {
  const user = newUser();
  for (const title of ["To complete", "To rename", "To delete"]) await user.add(title);
  const page = await visit({ user, expected });
  await shows(page, "To delete");
  await ready(page, user, 3);
  await offline(page);
  await addTask(page, "Added offline");
  await shows(page, "Added offline");
  await checkbox(page, "To complete").click();
  await misses(page, "To complete");
  await rename(page, "To rename", "Renamed offline");
  await row(page, "To delete").hover();
  await row(page, "To delete").getByRole("button", { name: "Delete: To delete" }).click();
  await misses(page, "To delete");
  await connection(page).getByText("4 changes waiting").waitFor();
  await row(page, "Added offline").getByText("Not sent yet").waitFor({ state: "attached" });
  await kept(page, user, 4, "ops");
  await page.reload();
  await shows(page, "Added offline");
  await connection(page).getByText("4 changes waiting").waitFor();
  assert.deepEqual((await titles(page)).sort(), ["Added offline", "Renamed offline"]);
  await online(page);
  await row(page, "Added offline").locator(".waiting").waitFor({ state: "detached" });
  await eventually("all four on the server", async () => {
    const tasks = (await user.tasks()).map(({ title, status }) => `${title}: ${status}`).sort();
    return JSON.stringify(tasks) === JSON.stringify(["Added offline: pending", "Renamed offline: pending", "To complete: completed"]);
  });
  assert.deepEqual((await titles(page)).sort(), ["Added offline", "Renamed offline"]);
});

spec("a field that was changed elsewhere too is told, and one's own value can be had", async ({ visit }) => {
  const { user, task, page } = await openOffline(visit);
  await rename(page, "Title", "My title");
  await user.change(task, { title: "Their title" });
  await online(page);
  await toast(page, "the title was also changed elsewhere").waitFor();
  await shows(page, "Their title");
  assert.equal((await user.tasks())[0].title, "Their title");
  await toast(page, "also changed elsewhere").getByRole("button", { name: "Use mine" }).click();
  await shows(page, "My title");
  await eventually("it on the server", () => user.one("My title"));
});

spec("other fields that changed elsewhere are joined without a word", async ({ visit }) => {
  const { user, task, page } = await openOffline(visit);
  await rename(page, "Title", "My title");
  await user.change(task, { priority: "high", tags: ["theirs"] });
  await online(page);
  const joined = await eventually("both on the server", () => user.one("My title"));
  assert.deepEqual([joined.priority, joined.tags], ["high", ["theirs"]]);
  await row(page, "My title").getByText("#theirs").waitFor();
  assert.equal(await toast(page, "elsewhere").count(), 0);
});

spec("a change of what was deleted elsewhere is told and dropped", async ({ visit }) => {
  const { user, task, page } = await openOffline(visit);
  await rename(page, "Title", "My title");
  await user.remove(task);
  await online(page);
  await toast(page, "was deleted elsewhere; the change was dropped").waitFor();
  await misses(page, "My title");
});

spec("what was changed elsewhere is not deleted unseen", async ({ visit }) => {
  const { user, task, page } = await openOffline(visit);
  await row(page, "Title").hover();
  await row(page, "Title").getByRole("button", { name: "Delete: Title" }).click();
  await misses(page, "Title");
  await user.change(task, { description: "Important" });
  await online(page);
  await toast(page, "was changed elsewhere, so it was not deleted").waitFor();
  await shows(page, "Title");
  await toast(page, "so it was not deleted").getByRole("button", { name: "Delete anyway" }).click();
  await misses(page, "Title");
  await eventually("it is gone from the server", async () => (await user.tasks()).length === 0);
});

spec("a change that was not sent yet can be undone without a network", async ({ visit }) => {
  const { user, page } = await openOffline(visit);
  await addTask(page, "A mistake");
  await toast(page, "Added “A mistake”").getByRole("button", { name: "Undo" }).click();
  await misses(page, "A mistake");
  await online(page);
  // Where the page was just trying to send it, the way back is a second change.
  await kept(page, user, 0, "ops");
  assert.deepEqual((await user.tasks()).map(({ title }) => title), ["Title"]);
});
