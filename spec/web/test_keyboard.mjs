// By keyboard alone: shortcuts, the order of the focus, that it can be seen, and that it comes back.
import assert from "node:assert/strict";
import { addTask, dialog, eventually, list, misses, newUser, noonDate, row, shows, spec, titles } from "./support.mjs";

const focused = (page) => page.evaluate(() => {
  const node = document.activeElement;
  return node === document.body ? "" : node.getAttribute("aria-label") ?? node.closest("label")?.textContent ?? node.textContent;
});
const focusIs = (page, name) => eventually(`the focus is on ${name}`, async () => (await focused(page)) === name);

spec("a shortcut does what the sheet says", async ({ visit }) => {
  const user = newUser();
  for (const title of ["First", "Second", "Third"]) await user.add({ title, due_date: noonDate(1, 9 + title.length) });
  const page = await visit({ user });
  await shows(page, "Third");
  await page.locator("#chat-log .ideas").waitFor(); // before that its field cannot have the focus
  const order = await titles(page);
  const press = (keys) => keys.split(" ").reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

  await press("?");
  const sheet = dialog(page, "Keyboard shortcuts");
  await sheet.waitFor();
  assert.match(await sheet.textContent(), /Add a task.*Search.*Undo/);
  await press("Escape");
  await sheet.waitFor({ state: "detached" });

  await press("n");
  await focusIs(page, "Add a task");
  await press("Escape /");
  await focusIs(page, "Search");
  await press("Escape c");
  await focusIs(page, "Message");
  await press("Escape");
  await press("j");
  await focusIs(page, order[0]);
  await press("j");
  await focusIs(page, order[1]);
  await press("k");
  await focusIs(page, order[0]);
  await press("p");
  await row(page, order[0]).getByText("High").waitFor();
  await press("e");
  await page.getByRole("textbox", { name: "Title" }).waitFor();
  await page.keyboard.type("Renamed");
  await press("Enter");
  await shows(page, "Renamed");
  await focusIs(page, "Renamed");
  await press("d");
  await dialog(page, "Task details").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.type), "date");
  await press("Escape");
  await dialog(page, "Task details").waitFor({ state: "detached" });
  await focusIs(page, "Renamed");
  await press("t");
  await dialog(page, "Task details").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.placeholder), "home, work");
  await press("Escape");
  await dialog(page, "Task details").waitFor({ state: "detached" });
  await press("o");
  await dialog(page, "Task details").waitFor();
  await press("Escape");
  await dialog(page, "Task details").waitFor({ state: "detached" });
  await press("x");
  await misses(page, "Renamed");
  await press("u");
  await shows(page, "Renamed");
  await press("j Delete");
  await eventually("one is deleted", async () => (await titles(page)).length === 2);
  await press("u");
  await eventually("it is back", async () => (await titles(page)).length === 3);
  for (const [keys, title] of [["g t", "Today"], ["g u", "Upcoming"], ["g o", "Overdue"], ["g c", "Completed"], ["g a", "All tasks"]]) {
    await press(keys);
    await page.getByRole("heading", { name: title, level: 2 }).waitFor();
  }
  await press(",");
  await dialog(page, "Settings").waitFor();
});

spec("keys typed before the shortcuts are loaded are done in order, and then are text of the field", async ({ visit }) => {
  const user = newUser();
  await user.add("Something");
  const page = await visit({ user, serviceWorkers: "block" });
  let go, asked = 0;
  const held = new Promise((resolve) => { go = resolve; });
  await page.route("**/app/keys.js", (route) => {
    asked++;
    return held.then(() => route.continue());
  });
  await page.reload();
  await shows(page, "Something");
  await page.keyboard.type("jpnbuy milk");
  await page.keyboard.press("Enter");
  await eventually("the shortcuts are asked for", () => asked);
  go();
  await shows(page, "buy milk");
  await row(page, "Something").getByText("High").waitFor();
  await eventually("both are there", async () => (await user.tasks()).map(({ title, priority }) => `${title} ${priority}`).sort().join() === "Something high,buy milk medium");
  await page.keyboard.type(" later");
  assert.equal(await page.getByRole("textbox", { name: "Add a task" }).inputValue(), " later");
});

spec("the focus stays on its task when it moves, changes elsewhere, or goes", async ({ visit }) => {
  const user = newUser();
  const tasks = [];
  for (const title of ["Last", "Middle", "Top"]) tasks.push(await user.add({ title }));
  const page = await visit({ user });
  await shows(page, "Last");
  assert.deepEqual(await titles(page), ["Top", "Middle", "Last"]);
  await page.keyboard.type("jjj");
  await focusIs(page, "Last");
  await page.keyboard.type("p");
  await eventually("it is the first", async () => (await titles(page)).join() === "Last,Top,Middle");
  await focusIs(page, "Last");
  await page.keyboard.type("e");
  await page.getByRole("textbox", { name: "Title" }).fill("Half");
  await user.change(tasks[1], { priority: "high" });
  await eventually("it moved", async () => (await list(page).locator("li").first().textContent()).includes("Middle"));
  assert.equal(await page.getByRole("textbox", { name: "Title" }).inputValue(), "Half");
  await focusIs(page, "Title");
  await page.keyboard.press("Escape");
  await focusIs(page, "Last");
  await page.keyboard.type("o");
  await dialog(page, "Task details").waitFor();
  await user.change(tasks[0], { title: "New words" });
  await shows(page, "New words");
  await page.keyboard.press("Escape");
  await focusIs(page, "New words");
  await page.keyboard.type("o");
  await dialog(page, "Task details").waitFor();
  await user.remove(tasks[0]);
  await misses(page, "New words");
  await page.keyboard.press("Escape");
  await focusIs(page, "Top");
});

spec("a letter that is typed into a field is no shortcut", async ({ visit }) => {
  const user = newUser();
  await user.add("Stays");
  const page = await visit({ user });
  await shows(page, "Stays");
  for (const name of ["Add a task", "Message"]) {
    await page.getByRole("textbox", { name }).focus();
    await page.keyboard.type("xjkdnu?,/");
    assert.equal(await page.getByRole("textbox", { name }).inputValue(), "xjkdnu?,/");
  }
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.deepEqual(await titles(page), ["Stays"]);
});

spec("the focus comes back to where a dialog was opened", async ({ visit }) => {
  const user = newUser();
  await user.add("Something");
  const page = await visit({ user });
  await shows(page, "Something");
  for (const [button, name] of [["Settings", "Settings"], ["Show keyboard shortcuts", "Keyboard shortcuts"],
    ["Details: Something", "Task details"]]) {
    await page.getByRole("button", { name: button, exact: true }).focus();
    await page.keyboard.press("Enter");
    await dialog(page, name).waitFor();
    await eventually("the focus is in the dialog", () => page.evaluate(() => document.activeElement.closest("dialog") !== null));
    await page.keyboard.press("Escape");
    await dialog(page, name).waitFor({ state: "detached" });
    await focusIs(page, button);
  }
});

spec("the focus stays in an open dialog", async ({ visit }) => {
  const user = newUser();
  await user.add("Something");
  const page = await visit({ user });
  await shows(page, "Something");
  await page.keyboard.press("j");
  await focusIs(page, "Something");
  await page.keyboard.press("o");
  await dialog(page, "Task details").waitFor();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    // Between the last and the first the browser's own bar has it, which is the body here.
    const where = await page.evaluate(() => (document.activeElement === document.body ? "body" : document.activeElement.closest("dialog") ? "dialog" : "page"));
    assert.notEqual(where, "page");
  }
});

spec("every control can be reached by Tab, and where the focus is can be seen", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Something", tags: ["home"] });
  const page = await visit({ user, reducedMotion: "reduce" });
  await shows(page, "Something");
  await page.locator("#chat-log .ideas").waitFor();
  // The look of an element and of what is around it, with and without the focus.
  const looks = () => page.evaluate(() => {
    const node = document.activeElement;
    const look = () => {
      const found = [];
      for (let one = node, i = 0; one && i < 4; one = one.parentElement, i++) {
        const style = getComputedStyle(one);
        found.push(style.outlineStyle === "none" ? "" : style.outline, style.boxShadow, style.borderColor, style.backgroundColor);
        if (one.nextElementSibling && i === 0) found.push(getComputedStyle(one.nextElementSibling).outline);
      }
      return JSON.stringify(found);
    };
    const focused = look();
    node.blur();
    const plain = look();
    node.focus();
    return { visible: focused !== plain };
  });
  const wanted = await page.evaluate(() => [...document.querySelectorAll("a[href], button, input, textarea, [tabindex='0']")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest("[hidden]")).length);
  const seen = new Set();
  await page.evaluate(() => document.body.focus());
  for (let i = 0; i < wanted + 10; i++) {
    await page.keyboard.press("Tab");
    const id = await page.evaluate(() => {
      const node = document.activeElement;
      if (node === document.body) return null;
      node.dataset.order ??= String(document.querySelectorAll("[data-order]").length);
      return node.dataset.order;
    });
    if (id === null || seen.has(id)) continue;
    seen.add(id);
    const name = await focused(page);
    assert.ok((await looks()).visible, `the focus on “${name}” cannot be seen`);
  }
  assert.ok(wanted > 20, `${wanted} controls`);
  assert.equal(seen.size, wanted);
});

spec("a task is added, opened, changed and completed without a pointer", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  await addTask(page, "By hand");
  await shows(page, "By hand");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await focusIs(page, "By hand");
  await page.keyboard.press("t");
  await dialog(page, "Task details").waitFor();
  await page.keyboard.type("keys");
  await page.keyboard.press("Control+Enter");
  await row(page, "By hand").getByRole("link", { name: "#keys" }).waitFor();
  await row(page, "By hand").getByRole("checkbox").focus();
  await page.keyboard.press("Space");
  await misses(page, "By hand");
  await eventually("it is completed", async () => (await user.one("By hand")).status === "completed");
});
