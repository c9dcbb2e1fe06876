// What the page may do and load: its policy, its size, and whether it can be installed.
import assert from "node:assert/strict";
import { DESK, PHONE, URL_OF_PAGE, canOpenOffline, eventually, newUser, shows, spec } from "./support.mjs";

const FIRST_LOAD = 100_000; // bytes

spec("what is inline does not run, and nothing is asked of anybody else", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user, expected: [/Content Security Policy/], origins: ["https://example.org"] });
  const violations = await page.evaluate(async () => {
    const found = [];
    addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.inlineRan = true";
    const picture = Object.assign(document.createElement("img"), { src: "https://example.org/x.png" });
    const wait = (directive) => new Promise((resolve) => {
      addEventListener("securitypolicyviolation", (event) => event.effectiveDirective === directive && resolve());
    });
    const all = Promise.all(["script-src-elem", "script-src-attr", "style-src-attr", "img-src", "connect-src"].map(wait));
    const div = document.createElement("div");
    div.setAttribute("style", "color: red");
    div.setAttribute("onclick", "window.inlineRan = true");
    document.body.append(script, picture, div);
    div.click();
    await fetch("https://example.org/").catch(() => {});
    await all;
    return [...found.sort(), window.inlineRan ?? "nothing ran"];
  });
  assert.deepEqual(violations, ["connect-src", "img-src", "script-src-attr", "script-src-elem", "style-src-attr", "nothing ran"]);
});

spec("the page can be installed, and its service worker has every file", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  await canOpenOffline(page);
  const devtools = await page.context().newCDPSession(page);
  const { errors, data } = await devtools.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  assert.equal(JSON.parse(data).display, "standalone");
  // That it runs in a window without history is this test's own doing.
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito"), []);
  const missing = await page.evaluate(async () => {
    const { files } = await (await fetch("/shell.json")).json();
    const [name] = (await caches.keys()).filter((one) => one.startsWith("shell-"));
    const cache = await caches.open(name);
    const absent = await Promise.all(Object.keys(files).map(async (path) => (await cache.match(path) ? null : path)));
    return absent.filter((path) => path && path !== "/sw.js" && !path.startsWith("/docs"));
  });
  assert.deepEqual(missing, []);
});

for (const [name, viewport] of [["phone", PHONE], ["desk", DESK]]) {
  spec(`a first visit by ${name} loads less than ${FIRST_LOAD / 1000} KB`, async ({ visit }) => {
    const user = newUser();
    await user.add("Something");
    const page = await visit({ viewport });
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
    const sizes = new Map();
    const size = (id) => sizes.get(id) ?? sizes.set(id, { sent: 0, plain: 0, done: false }).get(id);
    devtools.on("Network.requestWillBeSent", ({ requestId, request }) => { size(requestId).url = request.url; });
    devtools.on("Network.dataReceived", ({ requestId, dataLength }) => { size(requestId).plain += dataLength; });
    devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      Object.assign(size(requestId), { sent: encodedDataLength, done: true });
    });
    await page.goto("about:blank");
    sizes.clear();
    await page.goto(`${URL_OF_PAGE}/#token=${user.token()}`);
    await shows(page, "Something");
    if (viewport === DESK) await page.locator("#chat-log .ideas").waitFor();
    const files = () => [...sizes.values()].filter(({ url, done }) => url && done && !new URL(url).pathname.startsWith("/api/"));
    // With what comes when it is idle; the service worker is the last.
    const last = ["/app/shell.js", "/app/actions.js", "/app/toast.js", ...(viewport === DESK ? ["/app/keys.js", "/chat.css"] : [])];
    await eventually("all is there", () => last.every((path) => files().some(({ url }) => new URL(url).pathname === path)));
    const [sent, plain] = ["sent", "plain"].map((what) => files().reduce((sum, file) => sum + file[what], 0));
    console.log(`  first load by ${name}: ${files().length} files, ${sent} bytes with headers, ${plain} bytes unpacked`);
    assert.ok(files().length > 10, `${files().length} files`);
    assert.ok(sent < FIRST_LOAD, `${sent} bytes were sent`);
    assert.ok(plain < FIRST_LOAD, `${plain} bytes unpacked`);
  });
}
