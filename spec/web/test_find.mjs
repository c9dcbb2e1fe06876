// Filters, search and tags.
import assert from "node:assert/strict";
import { checkbox, eventually, misses, newUser, noonDate, row, shows, spec, titles } from "./support.mjs";

async function someTasks() {
  const user = newUser();
  const done = await user.add({ title: "Old invoice", tags: ["work"] });
  await user.call("PATCH", `/api/tasks/${done.id}/complete`);
  await user.add({ title: "Late letter", due_date: noonDate(-2, 9), priority: "high" });
  await user.add({ title: "Lunch with Ann", due_date: noonDate(0, 20), tags: ["friends"] });
  await user.add({ title: "Book the train", due_date: noonDate(5, 9), tags: ["work", "travel"] });
  await user.add({ title: "Read a book", priority: "low", description: "The one about bees" });
  return user;
}

spec("each filter shows what its name says, and how many there are", async ({ visit }) => {
  const page = await visit({ user: await someTasks() });
  const nav = page.getByRole("navigation", { name: "Filters" });
  const expected = {
    "All tasks": [4, ["Late letter", "Lunch with Ann", "Book the train", "Read a book"]],
    "Today": [2, ["Late letter", "Lunch with Ann"]],
    "Upcoming": [2, ["Lunch with Ann", "Book the train"]],
    "Overdue": [1, ["Late letter"]],
    "Completed": [null, ["Old invoice"]],
    "High": [1, ["Late letter"]],
    "Medium": [2, ["Lunch with Ann", "Book the train"]],
    "Low": [1, ["Read a book"]],
    "work": [1, ["Book the train"]],
  };
  for (const [name, [count, wanted]] of Object.entries(expected)) {
    const link = nav.getByRole("link").filter({ has: page.locator(".label").getByText(name, { exact: true }) });
    await link.click();
    await eventually(name, async () => JSON.stringify(await titles(page)) === JSON.stringify(wanted));
    assert.equal(await link.getAttribute("aria-current"), "page", name);
    assert.equal(await link.locator(".count").count() ? Number(await link.locator(".count").textContent()) : null, count, name);
  }
});

spec("the list is in groups by their dates, the overdue first", async ({ visit }) => {
  const page = await visit({ user: await someTasks() });
  await shows(page, "Late letter");
  const headings = await page.getByRole("list", { name: "Tasks" }).getByRole("heading").allTextContents();
  assert.deepEqual([headings[0], headings[1], headings.at(-1)], ["Overdue1", "Today1", "No date1"]);
});

spec("a filter is in the address, and is there again after a reload and by the back button", async ({ visit }) => {
  const page = await visit({ user: await someTasks() });
  await page.getByRole("link", { name: "Overdue" }).click();
  await page.getByRole("heading", { name: "Overdue", level: 2 }).waitFor();
  await page.reload();
  await shows(page, "Late letter");
  assert.deepEqual(await titles(page), ["Late letter"]);
  await page.getByRole("link", { name: "Today" }).click();
  await shows(page, "Lunch with Ann");
  await page.goBack();
  await misses(page, "Lunch with Ann");
  await shows(page, "Late letter");
});

spec("search takes words in any order from titles, notes and tags, completed tasks too", async ({ visit }) => {
  const page = await visit({ user: await someTasks() });
  await shows(page, "Late letter");
  const search = page.getByRole("searchbox", { name: "Search" });
  for (const [text, wanted] of [["book", ["Book the train", "Read a book"]], ["TRAIN book", ["Book the train"]],
    ["bees", ["Read a book"]], ["#friends", ["Lunch with Ann"]], ["invoice", ["Old invoice"]]]) {
    await search.fill(text);
    await eventually(text, async () => JSON.stringify(await titles(page)) === JSON.stringify(wanted));
  }
  await search.fill("no such thing");
  await page.getByText("Nothing matches “no such thing”").waitFor();
  await search.press("Escape");
  await shows(page, "Late letter");
});

spec("a press on a tag shows the tasks that have it; what no longer fits leaves", async ({ visit }) => {
  const page = await visit({ user: await someTasks() });
  await row(page, "Book the train").getByRole("link", { name: "#travel" }).click();
  await page.getByRole("heading", { name: "#travel" }).waitFor();
  assert.deepEqual(await titles(page), ["Book the train"]);
  await checkbox(page, "Book the train").click();
  await page.getByText("No open task fits this filter.").waitFor();
});

spec("a filter without tasks says so in words of its own", async ({ visit }) => {
  const page = await visit({ user: newUser() });
  for (const [name, text] of [["All tasks", "Nothing to do"], ["Today", "Nothing due today"], ["Overdue", "Nothing overdue"],
    ["Upcoming", "Nothing upcoming"], ["Completed", "Nothing completed yet"]]) {
    await page.getByRole("navigation", { name: "Filters" }).getByRole("link", { name }).click();
    await page.getByText(text, { exact: true }).waitFor();
  }
});
