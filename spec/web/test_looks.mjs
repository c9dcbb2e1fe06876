// How the page looks: axe in every view, nothing wider than the window, screenshots, the theme.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { EMPTY_SCENES, SCENES, SHAPES, leave, someone } from "./scenes.mjs";
import { PHONE, SHOTS, live, newUser, shows, spec, tokenOf, tools } from "./support.mjs";

const AXE = readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds, one line each; evaluated by the browser's own debugger, which the page's policy does not stop. */
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: "tag", values: tags } })
    .then((result) => ({ checked: result.passes.length, bad: result.violations.flatMap(({ id, nodes }) => nodes.map((node) =>
      `${id}: ${node.target.join(" ")}: ${node.failureSummary.replaceAll("\n", " ")}`)) })), RULES);
  assert.ok(found.checked > 10, `axe looked at ${found.checked} things only`);
  return found.bad;
}

/** Elements that reach beyond the window's sides. */
const tooWide = (page) => page.evaluate(() => (document.documentElement.scrollWidth <= innerWidth ? []
  : [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => `${node.tagName} ${node.className}`).slice(0, 5).concat(`${document.documentElement.scrollWidth} > ${innerWidth}`)));

async function examine(page, shape, scene, problems) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => document.fonts.ready.then(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); })));
    await page.screenshot({ path: `${SHOTS}/${scene}-${shape}-${colorScheme}.png` });
    for (const text of [...await violations(page), ...await tooWide(page)]) problems.push(`${scene}, ${colorScheme}: ${text}`);
  }
}

for (const { name, options } of SHAPES) {
  spec(`axe finds nothing and nothing is too wide in any view, light or dark: ${name}`, async ({ visit }) => {
    const problems = [];
    const user = await someone();
    const page = await visit({ user, ...options });
    const home = page.url();
    for (const [scene, go] of Object.entries(SCENES)) {
      await go(page);
      await examine(page, name, scene, problems);
      await leave(page, home);
    }
    const empty = await visit({ user: newUser(), ...options });
    await EMPTY_SCENES.empty(empty);
    await examine(empty, name, "empty", problems);
    const out = await visit(options);
    await out.getByRole("heading", { name: "Sign in" }).waitFor();
    await examine(out, name, "sign-in", problems);
    const docs = await visit({ ...options, path: "/docs" });
    await docs.getByRole("heading", { level: 2 }).first().waitFor();
    await examine(docs, name, "docs", problems);
    const ended = await visit({ ...options, ready: false,
      user: { ...user, token: () => tokenOf(user.name, { exp: Math.floor(Date.now() / 1000) - 60 }) } });
    await ended.getByRole("alert").getByText("Your sign-in has ended").waitFor();
    await examine(ended, name, "signed-out", problems);
    assert.deepEqual(problems, []);
  });
}

spec("at 320 pixels, with words that cannot be broken, nothing is wider than the window", async ({ visit }) => {
  const one = newUser();
  await one.add({ title: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2), tags: ["t".repeat(50)],
    description: "x".repeat(300) });
  await one.call("POST", `/api/${one.name}/chat`, { message: "add " + "y".repeat(200) });
  const page = await visit({ user: one, viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true });
  await page.getByRole("listitem").first().waitFor();
  assert.deepEqual(await tooWide(page), []);
  await page.getByRole("button", { name: /^Details: Donau/ }).click();
  await page.getByRole("dialog").waitFor();
  assert.deepEqual(await tooWide(page), []);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Chat", exact: true }).click();
  await page.locator("#chat-log .said").first().waitFor();
  assert.deepEqual(await tooWide(page), []);
});

spec("on a phone what is pressed is at least 44 pixels high", async ({ visit }) => {
  const page = await visit({ user: await someone(), viewport: PHONE, isMobile: true, hasTouch: true });
  await shows(page, "Call the dentist");
  // A title may be less: around it is its row.
  const small = await page.evaluate(() => [...document.querySelectorAll(".row, button:not(.title), input:not([type=checkbox]), #filters a, label.check")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width > 1)
    .map((node) => [node.getAttribute("aria-label") ?? node.textContent, Math.round(node.getBoundingClientRect().height)])
    .filter(([, height]) => height < 44));
  assert.deepEqual(small, []);
});

spec("the theme is switched by a button, kept, and there before the first paint", async ({ visit }) => {
  const page = await visit({ user: newUser(), colorScheme: "light" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const lightness = async () => (await background()).match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
  assert.ok(await lightness() > 200);
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  assert.ok(await lightness() < 60);
  const early = page.waitForEvent("domcontentloaded").then(() => background());
  await page.reload({ waitUntil: "commit" });
  assert.ok((await early).match(/\d+/g).slice(0, 3).every((part) => Number(part) < 60), "it was light first");
  await live(page);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("dialog", { name: "Settings" }).getByText("Automatic").click();
  await page.waitForFunction(() => !document.documentElement.dataset.theme);
  assert.ok(await lightness() > 200);
});
