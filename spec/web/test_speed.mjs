// Lighthouse, and a slow phone. What depends on the machine is printed; the rest is asserted.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { someone } from "./scenes.mjs";
import { PHONE, URL_OF_PAGE, freePort, launch, newUser, shows, spec, tools } from "./support.mjs";

const LEAST = 95; // of 100, in each category but performance
const FIRST_MODULES = ["dates", "dom", "filters", "list", "main", "session", "store", "task"].map((name) => `/app/${name}.js`);

for (const preset of ["mobile", "desktop"]) {
  test(`Lighthouse gives at least ${LEAST} to the page: ${preset}`, async () => {
    const module = (path) => import(pathToFileURL(tools.resolve("lighthouse/" + path)));
    const [{ default: lighthouse }, { default: desktop }] = await Promise.all([module("core/index.js"), module("core/config/desktop-config.js")]);
    const user = await someone();
    const port = await freePort();
    const browser = await launch([`--remote-debugging-port=${port}`]);
    try {
      const { lhr } = await lighthouse(`${URL_OF_PAGE}/#token=${user.token()}`, { port, logLevel: "silent", output: "json", maxWaitForFcp: 120000, maxWaitForLoad: 180000 },
        preset === "desktop" ? desktop : undefined);
      assert.equal(lhr.runtimeError, undefined, JSON.stringify(lhr.runtimeError));
      // What it could not find out counts as nothing, and would look like a bad page.
      const broken = Object.values(lhr.audits).filter(({ scoreDisplayMode }) => scoreDisplayMode === "error").map(({ id, errorMessage }) => `${id}: ${errorMessage}`);
      if (broken.length) console.log(`  not found out: ${broken.join("; ")}`);
      const scores = Object.fromEntries(Object.entries(lhr.categories).map(([name, { score }]) => [name, Math.round(score * 100)]));
      console.log(`  Lighthouse, ${preset}: ${Object.entries(scores).map(([name, score]) => `${name} ${score}`).join(", ")}`
        + `; first paint ${lhr.audits["first-contentful-paint"].displayValue}, largest ${lhr.audits["largest-contentful-paint"].displayValue}`
        + `, blocked ${lhr.audits["total-blocking-time"].displayValue}`);
      assert.deepEqual(Object.keys(scores).sort(), ["accessibility", "best-practices", "performance", "seo"]);
      for (const [name, score] of Object.entries(scores)) {
        const lacking = lhr.categories[name].auditRefs.map(({ id }) => lhr.audits[id])
          .filter((audit) => audit.score !== null && audit.score < 0.9).map(({ id, displayValue }) => `${id} ${displayValue ?? ""}`);
        if (name !== "performance") assert.ok(score >= LEAST, `${name} ${score}: ${lacking.join("; ")}`);
      }
    } finally {
      await browser.close();
    }
  });
}

// Told by the browser when a task is painted: what the specs look at a page with would itself take a slow phone a while.
const TELL_OF = (title) => `(() => {
  const look = () => {
    if (!document.querySelector("#tasks:not([hidden])")?.textContent.includes(${JSON.stringify(title)})) return;
    observer.disconnect();
    const files = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
    const rows = document.querySelectorAll("#tasks > li").length;
    requestAnimationFrame(() => setTimeout(() => shown(JSON.stringify({ files, rows }))));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true, attributes: true });
})()`;

/** A first visit to a user's tasks: how long it took, the files asked for by then, and the rows drawn. */
async function firstView(visit, user, title, { rate, ...network }) {
  const page = await visit({ viewport: PHONE, isMobile: true, hasTouch: true });
  const devtools = await page.context().newCDPSession(page);
  await page.goto("about:blank");
  for (const domain of ["Network", "Page", "Runtime"]) await devtools.send(domain + ".enable");
  await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
  await devtools.send("Network.emulateNetworkConditions", { offline: false, ...network });
  await devtools.send("Emulation.setCPUThrottlingRate", { rate });
  await devtools.send("Page.addScriptToEvaluateOnNewDocument", { source: TELL_OF(title) });
  await devtools.send("Runtime.addBinding", { name: "shown" });
  const shown = new Promise((resolve) => devtools.once("Runtime.bindingCalled", ({ payload }) => resolve(JSON.parse(payload))));
  const began = Date.now();
  await devtools.send("Page.navigate", { url: `${URL_OF_PAGE}/#token=${user.token()}` });
  return { ...await shown, took: Date.now() - began, page };
}

const SLOW = { latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 };

spec("a slow phone can use the page (goal: within 1 s), and loads before that no more than it needs", async ({ visit }) => {
  const user = newUser();
  for (let i = 0; i < 20; i++) await user.add(`Task ${i}`);
  for (const [name, rate] of [["a slow network", 1], ["and 4 times slower itself", 4]]) {
    const views = [];
    for (let i = 0; i < 3; i++) views.push(await firstView(visit, user, "Task 19", { rate, ...SLOW }));
    for (const { files } of views) {
      assert.deepEqual(files.filter((path) => path.endsWith(".js")).sort(), FIRST_MODULES);
      assert.ok(files.includes("/api/tasks"), files.join(" "));
    }
    const took = views.map((view) => view.took).sort((a, b) => a - b);
    console.log(`  slow phone (1.6 Mbit/s, 150 ms), ${name}: the tasks are there after ${took[1]} ms`);
  }
});

spec("a long list shows its first rows at once, and soon those below", async ({ visit }) => {
  const user = newUser();
  await Promise.all(Array.from({ length: 160 }, (_, i) => user.add(`Task ${i}`)));
  await user.add({ title: "The first", priority: "high" });
  const { rows, page } = await firstView(visit, user, "The first", { rate: 1, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  assert.ok(rows < 60, `${rows} rows at once`);
  await page.locator("#tasks > li").nth(149).waitFor({ state: "attached" });
  await shows(page, "The first");
});
