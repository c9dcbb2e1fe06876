// Signing in: by the address, by a pasted token, by a provider; and what happens when a sign-in ends.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after } from "node:test";
import { FAILED_CALLS, addTask, eventually, freePort, live, misses, newUser, shows, spec, tokenOf } from "./support.mjs";

const past = () => Math.floor(Date.now() / 1000) - 60;
const banner = (page) => page.getByRole("alert").filter({ hasText: "Your sign-in has ended." });

spec("a token in the address signs in, and does not stay in the address or the history", async ({ visit }) => {
  const user = newUser();
  await user.add("Mine");
  const token = user.token();
  const page = await visit({ user: { ...user, token: () => token } });
  await shows(page, "Mine");
  assert.equal(page.url(), user.url + "/");
  assert.equal(await page.evaluate(() => localStorage.getItem("token")), token);
  await page.reload();
  await live(page);
  await shows(page, "Mine");
  assert.equal(await page.evaluate(() => location.href.includes("token")), false);
});

spec("who is not signed in is asked for a token, and can paste one", async ({ visit }) => {
  const user = newUser();
  await user.add("Mine");
  const page = await visit({});
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  const field = page.getByLabel("Token");
  await field.fill("not a token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This is not a token.").waitFor();
  await field.fill(tokenOf(user.name, { exp: past() }));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This token has ended already.").waitFor();
  await field.fill(`${user.url}/#token=${user.token()}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await live(page);
  await shows(page, "Mine");
});

spec("a token that has ended is told; changes are kept, and sent after signing in again", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user: { ...user, token: () => tokenOf(user.name, { exp: past() }) }, ready: false, expected: [FAILED_CALLS] });
  await banner(page).waitFor();
  await addTask(page, "Written while signed out");
  await shows(page, "Written while signed out");
  assert.deepEqual(await user.tasks(), []);
  await banner(page).getByLabel("Token").fill(user.token());
  await banner(page).getByRole("button", { name: "Sign in" }).click();
  await banner(page).waitFor({ state: "hidden" });
  await eventually("the task on the server", () => user.one("Written while signed out"));
  await live(page);
});

spec("a token that the server does not believe is told", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user: { ...user, token: () => tokenOf(user.name, {}, "another secret, as long as it has to be") },
    ready: false, expected: [FAILED_CALLS] });
  await banner(page).waitFor();
});

spec("signing out takes a user's tasks away from the browser", async ({ visit }) => {
  const [ann, bob] = [newUser(), newUser()];
  await ann.add("Ann's secret");
  await bob.add("Bob's own");
  const page = await visit({ user: ann });
  await shows(page, "Ann's secret");
  const kept = () => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
  await eventually("the browser's own copy", async () => (await kept()).includes("todo:" + ann.name));
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual(await kept(), []);
  await page.getByLabel("Token").fill(bob.token());
  await page.getByRole("button", { name: "Sign in" }).click();
  await shows(page, "Bob's own");
  await misses(page, "Ann's secret");
});

spec("another user's address changes who is signed in, also while the page is open", async ({ visit }) => {
  const [ann, bob] = [newUser(), newUser()];
  await ann.add("Ann's secret");
  await bob.add("Bob's own");
  const page = await visit({ user: ann });
  await shows(page, "Ann's secret");
  await page.evaluate((token) => { location.hash = "token=" + token; }, bob.token());
  await shows(page, "Bob's own");
  await misses(page, "Ann's secret");
});

// An identity provider as small as can be: a cookie says who it is.
const provider = { user: null, lifetime: 3600, asked: 0, page: "" };
const server = createServer((request, reply) => {
  reply.setHeader("Access-Control-Allow-Origin", provider.page);
  reply.setHeader("Access-Control-Allow-Credentials", "true");
  if (request.url === "/sign-in") {
    reply.setHeader("Set-Cookie", "session=1; HttpOnly; Path=/");
    reply.setHeader("Content-Type", "text/html");
    return reply.end(`<!doctype html><title>Provider</title><a href="${provider.page}/">Go on</a>`);
  }
  if (request.url !== "/api/auth/token") return reply.writeHead(204).end();
  provider.asked++;
  if (!/session=1/.test(request.headers.cookie ?? "")) return reply.writeHead(401).end("{}");
  reply.setHeader("Content-Type", "application/json");
  return reply.end(JSON.stringify({ token: tokenOf(provider.user, { exp: Math.floor(Date.now() / 1000) + provider.lifetime }) }));
});
after(() => server.close());

spec("an identity provider is asked for tokens, for the first and before each ends", async ({ visit, system: start }) => {
  const port = await freePort();
  await new Promise((resolve) => { server.listen(port, "127.0.0.1", resolve); });
  const origin = `http://127.0.0.1:${port}`;
  const system = await start({ env: { AUTH_TOKEN_URL: origin + "/api/auth/token", AUTH_SIGN_IN_URL: origin + "/sign-in" } });
  provider.page = system.url;
  const user = newUser(system.url);
  provider.user = user.name;
  await user.add("Mine");
  const page = await visit({ url: system.url, origins: [origin], expected: [FAILED_CALLS] });
  await page.waitForURL(origin + "/sign-in");
  await page.getByRole("link", { name: "Go on" }).click();
  await live(page);
  await shows(page, "Mine");
  provider.lifetime = 30; // so near its end that each call wants a new one
  await page.evaluate((token) => localStorage.setItem("token", token), tokenOf(user.name, { exp: Math.floor(Date.now() / 1000) + 30 }));
  const before = provider.asked;
  await addTask(page, "With a new token");
  await eventually("the task on the server", () => user.one("With a new token"));
  assert.ok(provider.asked > before, "no new token was asked for");
});
