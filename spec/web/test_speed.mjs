// Lighthouse, and a slow phone. What depends on the machine is printed; the rest is asserted.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { someone } from "./scenes.mjs";
import { PHONE, URL_OF_PAGE, freePort, launch, newUser, shows, spec, tools } from "./support.mjs";

const LEAST = 95; // of 100, in each category but performance

for (const preset of ["mobile", "desktop"]) {
  test(`Lighthouse gives at least ${LEAST} to the page: ${preset}`, async () => {
    const module = (path) => import(pathToFileURL(tools.resolve("lighthouse/" + path)));
    const [{ default: lighthouse }, { default: desktop }] = await Promise.all([module("core/index.js"), module("core/config/desktop-config.js")]);
    const user = await someone();
    const port = await freePort();
    const browser = await launch([`--remote-debugging-port=${port}`]);
    try {
      const { lhr } = await lighthouse(`${URL_OF_PAGE}/#token=${user.token()}`, { port, logLevel: "silent", output: "json" },
        preset === "desktop" ? desktop : undefined);
      assert.equal(lhr.runtimeError, undefined);
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

spec("a slow phone can use the page (goal: within 1 s)", async ({ visit }) => {
  const user = newUser();
  for (let i = 0; i < 20; i++) await user.add(`Task ${i}`);
  const took = [];
  for (let i = 0; i < 3; i++) {
    const page = await visit({ viewport: PHONE, isMobile: true, hasTouch: true });
    const devtools = await page.context().newCDPSession(page);
    await page.goto("about:blank");
    await devtools.send("Network.enable");
    await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
    await devtools.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 });
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    const began = Date.now();
    await page.goto(`${URL_OF_PAGE}/#token=${user.token()}`, { waitUntil: "commit" });
    await shows(page, "Task 19");
    took.push(Date.now() - began);
  }
  console.log(`  slow phone (4 times slower, 1.6 Mbit/s, 150 ms): the tasks are there after ${took.sort((a, b) => a - b)[1]} ms`);
});
