// The chat beside the tasks.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { FAILED_CALLS, PHONE, canOpenOffline, eventually, misses, newTab, newUser, noonDate, row, shows, spec } from "./support.mjs";

const chat = (page) => page.getByRole("complementary", { name: "Chat" });
const said = (page, text) => chat(page).locator(".said.user").filter({ hasText: text });
const answers = (page) => chat(page).locator(".said.assistant");

async function say(page, text) {
  await chat(page).locator(".ideas, .said").first().waitFor(); // the chat is there
  const before = await answers(page).count();
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  const answer = answers(page).nth(before);
  await answer.waitFor();
  await answer.locator(".thinking").waitFor({ state: "detached" });
  return (await answer.textContent()).replace(/^Answer: /, "");
}

spec("a task that is asked for in the chat shows in the list", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  assert.match(await say(page, "Add buy milk tomorrow at 9am #home high priority"), /buy milk/i);
  const [task] = await eventually("the task", async () => { const all = await user.tasks(); return all.length && all; });
  await shows(page, task.title);
  assert.match(await row(page, task.title).textContent(), /Tomorrow, 09:00.*High.*#home/);
  assert.deepEqual([task.due_date, task.priority, task.tags], [noonDate(1, 9), "high", ["home"]]);
});

spec("completing and deleting in the chat changes the list", async ({ visit }) => {
  const user = newUser();
  await user.add("Buy milk");
  await user.add("Walk the dog");
  const page = await visit({ user });
  await shows(page, "Walk the dog");
  await say(page, "complete buy milk");
  await misses(page, "Buy milk");
  await say(page, "delete walk the dog");
  await misses(page, "Walk the dog");
  assert.deepEqual((await user.tasks()).map(({ title, status }) => [title, status]), [["Buy milk", "completed"]]);
});

spec("a question about tasks is answered with their titles", async ({ visit }) => {
  const user = newUser();
  await user.add({ title: "Call the bank", due_date: noonDate(-1, 9) });
  const page = await visit({ user });
  assert.match(await say(page, "what is overdue?"), /Call the bank/);
});

spec("what was said is there after a reload, and in another tab", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  const answer = await say(page, "Add water the plants");
  await page.reload();
  await said(page, "Add water the plants").waitFor();
  await eventually("the answer", async () => (await answers(page).allTextContents()).some((text) => text.includes(answer)));
  const tab = await newTab(page);
  await said(tab, "Add water the plants").waitFor();
  await say(tab, "Add call mum");
  await said(page, "Add call mum").waitFor();
});

// A model that says each piece when the case wants it.
async function model() {
  const asked = [];
  const server = createServer((request, reply) => {
    request.resume();
    reply.writeHead(200, { "Content-Type": "text/event-stream" });
    const event = (data) => reply.write(`data: ${data}\n\n`);
    asked.push({
      say: (content, finish = null) => event(JSON.stringify({ object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })),
      end: () => { event("[DONE]"); reply.end(); },
    });
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return { url: `http://127.0.0.1:${server.address().port}/v1`, next: () => eventually("the model is asked", () => asked.shift()),
    close: () => { server.closeAllConnections(); server.close(); } };
}

spec("an answer is shown piece by piece, as the model says it", async ({ visit, system: start }) => {
  const slow = await model();
  try {
    const system = await start({ env: { OPENAI_BASE_URL: slow.url, OPENAI_WAIT_MS: "60000" } });
    const user = newUser(system.url);
    const page = await visit({ user });
    await chat(page).locator(".ideas").waitFor();
    await page.getByRole("textbox", { name: "Message" }).fill("What should I do first?");
    await page.keyboard.press("Enter");
    const answer = await slow.next();
    await chat(page).getByRole("status", { name: "Thinking" }).waitFor();
    const whole = ["Begin ", "with the dentist", ", then rest."];
    for (const [i, piece] of whole.entries()) {
      answer.say(piece, i === 2 ? "stop" : null);
      const text = whole.slice(0, i + 1).join("");
      await eventually(`“${text}” is shown`, async () => (await answers(page).last().textContent()).trimEnd() === ("Answer: " + text).trimEnd());
    }
    answer.end();
    await answers(page).last().locator(".thinking").waitFor({ state: "detached" });
    await eventually("it is kept", async () => (await user.call("GET", `/api/${user.name}/chat/history`)).length === 2);
    await page.reload();
    await eventually("it is there again", async () => (await answers(page).last().textContent()) === "Answer: " + whole.join(""));
  } finally {
    slow.close();
  }
});

spec("a press on an idea says it", async ({ visit }) => {
  const user = newUser();
  const page = await visit({ user });
  await chat(page).getByRole("button", { name: "Add buy milk tomorrow at 9am #home" }).click();
  await eventually("the task", async () => (await user.tasks()).length === 1);
  await answers(page).first().waitFor();
});

spec("a message that could not be sent stays in the field", async ({ visit, system: start }) => {
  const system = await start();
  const user = newUser(system.url);
  const page = await visit({ user, expected: [FAILED_CALLS] });
  await chat(page).locator(".ideas").waitFor();
  await canOpenOffline(page);
  await system.kill();
  assert.match(await say(page, "Add something important"), /cannot be reached/);
  assert.equal(await page.getByRole("textbox", { name: "Message" }).inputValue(), "Add something important");
  await system.start();
});

spec("on a phone the chat is a pane of its own, and comes when it is looked at", async ({ visit }) => {
  const user = newUser();
  await user.add("Buy milk");
  const page = await visit({ user, viewport: PHONE, hasTouch: true, isMobile: true });
  await shows(page, "Buy milk");
  assert.equal(await chat(page).isVisible(), false);
  await page.getByRole("button", { name: "Chat", exact: true }).click();
  assert.equal(await row(page, "Buy milk").isVisible(), false);
  await say(page, "complete buy milk");
  await page.getByRole("button", { name: "Tasks", exact: true }).click();
  await misses(page, "Buy milk");
});
