// The chat beside the tasks: answers are shown as they come.
import { Refused, call, open } from "./api.js";
import { timezone } from "./dates.js";
import { byId, el, icon, styles } from "./dom.js";
import { readEvents, refresh, connection } from "./live.js";
import * as store from "./store.js";
import { opens } from "./task.js";

const IDEAS = ["What is due this week?", "Add buy milk tomorrow at 9am #home", "Every Monday 9am standup", "What is overdue?"];
const ACTS = { add_task: ["plus", "Added"], update_task: ["note", "Changed"], complete_task: ["done", "Completed"],
  delete_task: ["trash", "Deleted"], restore_task: ["repeat", "Brought back"], set_reminder: ["bell", "Reminder set"], undo: ["repeat", "Undone"] };

let user = "";
let conversation = null;
let busy = false;
let read = false; // the history is shown
let others = null; // the other tabs

const log = () => byId("chat-log");

function say(node) {
  log().querySelector(".ideas")?.remove();
  log().append(node);
  log().scrollTop = log().scrollHeight;
  return node;
}

const said = (role, text) => el(`div.said.${role}`, {}, el("span.hidden", {}, role === "user" ? "You: " : "Answer: "), text);

// What was done, each with a way to the task.
function acts(tools) {
  const known = tools.filter((tool) => tool.success && ACTS[tool.tool_name]);
  if (!known.length) return null;
  return el("div.acts", {}, ...known.map((tool) => {
    const [mark, word] = ACTS[tool.tool_name];
    const task = tool.result?.task ?? tool.result?.completed_task ?? tool.result;
    const text = el("span", {}, el("span.hidden", {}, word + " "), task?.title ?? word);
    return task?.id && tool.tool_name !== "delete_task"
      ? el("button.act", { type: "button", onclick: () => store.get(task.id) && opens.details(task.id) }, icon(mark), text)
      : el("span.act", {}, icon(mark), text);
  }));
}

function showIdeas() {
  log().replaceChildren(el("div.ideas", {}, el("p", {}, "Try, for example:"),
    ...IDEAS.map((text) => el("button", { type: "button", onclick: () => send(text) }, text))));
}

async function showHistory() {
  const { data } = await call("GET", `/api/${encodeURIComponent(user)}/chat/history?limit=50`);
  if (busy) return;
  read = true;
  if (!data.length) return showIdeas();
  conversation = data[data.length - 1].conversation_id;
  log().replaceChildren(...data.flatMap((message) => [said(message.role, message.content), acts(message.tools_invoked ?? [])]).filter(Boolean));
  log().scrollTop = log().scrollHeight;
}

function growing() {
  const text = document.createTextNode("");
  const dots = el("span.thinking", { role: "status", "aria-label": "Thinking" }, el("i"), el("i"), el("i"));
  const node = said("assistant", "");
  node.append(text, dots);
  return { node, add: (piece) => {
    dots.remove();
    text.data += piece;
    log().scrollTop = log().scrollHeight;
  }, set: (whole) => {
    dots.remove();
    text.data = whole;
  } };
}

async function answer(text, bubble) {
  const reply = await open(`/api/${encodeURIComponent(user)}/chat`, { method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ message: text, stream: true, timezone: timezone(), ...(conversation && { conversation_id: conversation }) }) });
  if (!reply.ok) throw new Refused(reply.status, (await reply.json().catch(() => null))?.detail ?? `The server answered ${reply.status}`);
  let done = null;
  await readEvents(reply.body, ({ data }) => {
    if (!data || data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.type === "content") bubble.add(typeof event.data === "string" ? event.data : event.data?.content ?? "");
    if (event.type === "done") done = event.data;
  });
  if (!done) throw new Error("The answer broke off");
  return done;
}

async function send(text) {
  if (busy || !text.trim()) return;
  busy = true;
  byId("message").value = "";
  const question = say(said("user", text));
  const bubble = growing();
  say(bubble.node);
  try {
    const done = await answer(text, bubble);
    bubble.set(done.message);
    conversation = done.conversation_id;
    const list = acts(done.tools_invoked ?? []);
    if (list) say(list);
    others?.postMessage("said");
    if (connection() !== "live") refresh().catch(() => {});
  } catch (error) {
    bubble.set(error instanceof Refused ? error.message + "." : "The chat cannot be reached just now. Your message was kept below.");
    bubble.node.classList.add("problem");
    if (!byId("message").value) byId("message").value = text;
    if (error instanceof Refused && error.status === 404) conversation = null;
  } finally {
    busy = false;
    // To the end, but not past the question.
    log().scrollTop = Math.min(log().scrollHeight, question.offsetTop - 12);
  }
}

/** The server can be reached (again). */
export function online() {
  if (user && !read) showHistory().catch(() => {});
}

/** @param {string} id  the user's */
export async function start(id) {
  user = id;
  await styles("/chat.css");
  const field = byId("message");
  byId("chat-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send(field.value);
    }
    if (event.key === "Escape") field.blur();
  });
  others = new BroadcastChannel("chat:" + user);
  others.onmessage = () => showHistory().catch(() => {});
  await showHistory().catch(() => showIdeas());
}
