// What the browser specs share: a browser per file, a user per case, waiting, and the checks that every case ends with.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { after, test } from "node:test";

export const tools = createRequire(process.env.WEB_TOOLS + "/package.json");
const { chromium } = tools("playwright-core");

/** The system that all cases share; those that stop it start one of their own. */
export const URL_OF_PAGE = process.env.WEB_URL;
export const SHOTS = process.env.WEB_SHOTS;
export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1280, height: 860 };

// As in spec/support/system.py: limits of a quiet machine, times what a busy one may need.
const PATIENCE_MS = 15000 * Number(process.env.SPEC_PATIENCE ?? "4");
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Waits until `look` gives something true, and gives it. */
export async function eventually(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (let last; ;) {
    try {
      const value = await look();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function control(path, request = {}) {
  const answer = await fetch(process.env.WEB_CONTROL + path, { method: "POST", body: JSON.stringify(request) });
  const data = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${data.error}`);
  return data;
}

/** A port that nobody else takes. */
export const freePort = async () => (await control("/port")).port;

async function startSystem({ services = ["--all"], env = {} } = {}) {
  const { id, url } = await control("/start", { services, env: { WORKERS: "1", ...env } });
  return { url, kill: () => control(`/${id}/kill`), start: () => control(`/${id}/start`), stop: () => control(`/${id}/stop`) };
}

/** A token, good for an hour where the claims say nothing else. */
export function tokenOf(user, claims = {}, secret = process.env.WEB_SECRET) {
  const now = Math.floor(Date.now() / 1000);
  const part = (data) => Buffer.from(JSON.stringify(data)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, iat: now, exp: now + 3600, ...claims })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** A user nobody has used, with the API as another device of theirs would use it. */
export function newUser(url = URL_OF_PAGE) {
  const name = "user-" + randomUUID();
  const call = async (method, path, body) => {
    const answer = await fetch(url + path, { method, body: body && JSON.stringify(body),
      headers: { Authorization: "Bearer " + tokenOf(name), ...(body && { "Content-Type": "application/json" }) } });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
    return answer.json();
  };
  return {
    name, url, call,
    token: () => tokenOf(name),
    // What is added after it is of a later moment, also on a machine that would do both within a millisecond.
    add: async (fields) => {
      const task = await call("POST", "/api/tasks", typeof fields === "string" ? { title: fields } : fields);
      await eventually("the next moment", () => Date.now() > Date.parse(task.created_at));
      return task;
    },
    change: (task, fields) => call("PUT", "/api/tasks/" + task.id, fields),
    remove: (task) => call("DELETE", "/api/tasks/" + task.id),
    tasks: (query = "status=all") => call("GET", "/api/tasks?" + query),
    one: async (title) => (await call("GET", "/api/tasks?status=all")).find((task) => task.title === title),
  };
}

// Hours between UTC and a place where it was noon when the specs began: a case that begins today ends today.
const NOON = Number(process.env.WEB_NOON);

/** The timezone of that place; its name counts the other way. */
export const noonZone = () => (NOON === 0 ? "Etc/GMT" : `Etc/GMT${NOON > 0 ? "-" : "+"}${Math.abs(NOON)}`);

/** A moment of a day of that timezone. */
export function noonDate(days, hour, minute = 0) {
  const here = new Date(Date.now() + NOON * 3600000);
  return new Date(Date.UTC(here.getUTCFullYear(), here.getUTCMonth(), here.getUTCDate() + days, hour - NOON, minute)).toISOString();
}

/**
 * The page gives a person so many seconds to press the second key of a shortcut, or a message's button, and the server so
 * many for a first answer. A busy machine may stand still for as long, so for specs they are ten times as many.
 */
export function unhurried() {
  const { setTimeout } = window;
  const patience = new Set([1500, 2000, 4000, 10000, 30000]);
  window.setTimeout = (fn, ms, ...rest) => setTimeout(fn, patience.has(ms) ? 10 * ms : ms, ...rest);
}

let browser = null;

/** @param {string[]} args  of Chromium */
export const launch = (args = []) => chromium.launch({ executablePath: EXECUTABLE, args, timeout: PATIENCE_MS,
  // Its sandbox does not work for root.
  chromiumSandbox: process.getuid() !== 0 });

after(() => browser?.close());

async function newVisit(visits, { user, url = user?.url ?? URL_OF_PAGE, path = "/", ready = true, signIn = true, init,
  expected = [], origins = [], ...options }) {
  browser ??= await launch();
  const context = await browser.newContext({ viewport: DESK, timezoneId: noonZone(), locale: "en-GB", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const visit = { context, url, expected, problems: [], pages: [] };
  visits.push(visit);
  context.on("request", (request) => {
    const origin = new URL(request.url()).origin;
    if (origin !== url && origin !== "null" && !origins.includes(origin)) visit.problems.push(`request to ${request.url()}`);
  });
  context.on("weberror", (error) => visit.problems.push(`thrown: ${error.error().stack || error.error()}`));
  context.on("console", (message) => {
    if (message.type() === "error") visit.problems.push(`console: ${message.text()} (${message.location().url})`);
  });
  context.on("page", (page) => visit.pages.push(page));
  await context.addInitScript(unhurried);
  if (init) await context.addInitScript(init);
  const page = await context.newPage();
  await page.goto(url + path + (user && signIn ? "#token=" + user.token() : ""));
  if (user && signIn && ready) await live(page);
  return page;
}

/** Another tab of the same browser. */
export async function newTab(page, path = "/") {
  const tab = await page.context().newPage();
  await tab.goto(new URL(path, page.url()).href);
  await live(tab);
  return tab;
}

const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);

async function shoot(visits, name) {
  const pages = visits.flatMap((visit) => visit.pages).filter((page) => !page.isClosed());
  for (const [i, page] of pages.entries()) {
    const path = `${SHOTS}/failed-${slug(name)}-${i}.png`;
    await page.screenshot({ path, timeout: 10000 }).then(() => console.log(`  picture of the failure: ${path}`), () => {});
    // The picture stays on the machine; this is what can be read of it elsewhere.
    const text = await Promise.race([page.locator("body").innerText({ timeout: 10000 }).catch(String), new Promise((go) => { setTimeout(go, 15000, "it does not answer"); })]);
    console.log(`  the page at ${page.url().replace(/#token=.*/, "")} said:\n${text.replace(/^/gm, "    ").slice(0, 3000)}`);
  }
}

/** What the browser complained of and the case did not expect. */
function complaints(visits) {
  return visits.flatMap(({ problems, expected }) => problems.filter((text) => !expected.some((pattern) => pattern.test(text))));
}

/**
 * A case. `visit(options)` opens the page in a browser context of its own: signed in as `user`, and live. At its end the
 * browser must not have complained of anything but what the visit's `expected` (patterns) allows, nor have called anybody
 * but the server and `origins`. `system(options)` starts a system of the case's own, that it may stop.
 * @param {string} name  a sentence
 * @param {(tools: {visit: (options: object) => Promise<import("playwright-core").Page>, system: (options?: object) => Promise<object>}) => Promise<void>} body
 */
export function spec(name, body) {
  test(name, { timeout: 12 * PATIENCE_MS }, async () => {
    const visits = [], systems = [];
    // Its own limit comes before the runner's, which would not show what the page looked like.
    let limit;
    const late = new Promise((_, reject) => {
      limit = setTimeout(() => reject(new Error(`not done within ${10 * PATIENCE_MS / 1000} s`)), 10 * PATIENCE_MS);
    });
    try {
      await Promise.race([late, body({
        visit: (options) => newVisit(visits, options),
        system: async (options) => {
          systems.push(await startSystem(options));
          return systems.at(-1);
        },
      })]);
      assert.deepEqual(complaints(visits), []);
    } catch (error) {
      complaints(visits).forEach((text) => console.log(`  the browser said: ${text}`));
      await shoot(visits, name);
      throw error;
    } finally {
      clearTimeout(limit);
      await Promise.all(visits.map(({ context }) => context.close()));
      await Promise.all(systems.map((system) => system.stop()));
    }
  });
}

/** What Chromium writes to the console when a call fails that the case makes fail. */
export const FAILED_CALLS = /console: Failed to load resource/;

// The page, by its accessible names.

export const connection = (page) => page.locator("#connection");
export const live = (page) => page.locator("#connection[data-state=live]").waitFor();
export const list = (page) => page.getByRole("list", { name: "Tasks" });
export const checkbox = (page, title) => list(page).getByRole("checkbox", { name: "Complete: " + title, exact: true });
export const row = (page, title) => list(page).getByRole("listitem")
  .filter({ has: page.getByRole("checkbox", { name: "Complete: " + title, exact: true }) });
export const titles = (page) => list(page).locator(".title").allTextContents();
export const shows = (page, title) => row(page, title).waitFor();
export const misses = (page, title) => row(page, title).waitFor({ state: "detached" });
export const dialog = (page, name) => page.getByRole("dialog", { name });
export const toast = (page, text) => page.locator("#toasts .toast").filter({ hasText: text });

/** Adds a task as one does by keyboard. */
export async function addTask(page, text) {
  const field = page.getByRole("textbox", { name: "Add a task" });
  await field.fill(text);
  await field.press("Enter");
}

/** Opens the details of a task. */
export async function openDetails(page, title) {
  await row(page, title).hover();
  await row(page, title).getByRole("button", { name: "Details: " + title, exact: true }).click();
  await dialog(page, "Task details").waitFor();
  return dialog(page, "Task details");
}

/** Waits until the service worker has all files of the page, and serves them. */
export async function canOpenOffline(page) {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
}
