// The official TypeScript client of either generation: node.mjs 1|2 auto|legacy. The cases are those of cases.py, as
// far as the two clients can differ; MCP_URL, MCP_TOKEN, MCP_OTHER_TOKEN and MCP_MODULES come from spec/mcp/run.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , generation, mode] = process.argv;
const { MCP_URL, MCP_TOKEN, MCP_OTHER_TOKEN, MCP_MODULES } = process.env;
const require = createRequire(MCP_MODULES + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)));

const TOOLS = ["add_task", "list_tasks", "search_tasks", "get_task", "update_task", "complete_task", "delete_task",
  "set_reminder", "list_reminders", "undo"];
const statuses = []; // of the HTTP answers

async function libraries() {
  if (generation === "2") {
    return load("@modelcontextprotocol/client");
  }
  const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
  return { Client, ...await load("@modelcontextprotocol/sdk/client/streamableHttp.js") };
}
const { Client, StreamableHTTPClientTransport } = await libraries();

async function withClient(token, work, query = "") {
  const transport = new StreamableHTTPClientTransport(new URL(MCP_URL + query), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      statuses.push(response.status);
      return response;
    },
  });
  const client = new Client({ name: "spec", version: "1" }, generation === "2" ? { versionNegotiation: { mode } } : {});
  let revision = null;
  const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
  if (setProtocolVersion) {
    transport.setProtocolVersion = (version) => {
      revision = version;
      setProtocolVersion(version);
    };
  }
  await client.connect(transport);
  try {
    return await work(client, client.getNegotiatedProtocolVersion?.() ?? revision);
  } finally {
    await client.close();
  }
}

async function done(client, name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, result.content?.[0]?.text);
  assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
  return result.structuredContent;
}

const cases = {
  async agrees_on_the_revision() {
    await withClient(MCP_TOKEN, async (client, version) => {
      assert.equal(version, mode === "auto" ? "2026-07-28" : "2025-11-25");
      assert.equal(client.getServerVersion().name, "todo-chatbot");
      assert.match(client.getInstructions(), /offset are in UTC/);
    });
  },

  async lists_the_tools() {
    await withClient(MCP_TOKEN, async (client) => {
      const { tools } = await client.listTools();
      assert.deepEqual(tools.map((tool) => tool.name), TOOLS);
      assert.deepEqual(tools.filter((tool) => tool.annotations.destructiveHint).map((tool) => tool.name),
        ["update_task", "delete_task", "undo"]);
      assert.deepEqual(tools.filter((tool) => tool.annotations.readOnlyHint).map((tool) => tool.name),
        ["list_tasks", "search_tasks", "get_task", "list_reminders"]);
    });
  },

  async leads_a_task_through_its_life() {
    await withClient(MCP_TOKEN, async (client) => {
      await client.listTools(); // results are checked by the schemas read here
      const task = await done(client, "add_task", { title: "Write the report", priority: "high", tags: ["Work"],
        due_date: "2031-03-05T15:00" });
      assert.equal(task.due_date, "2031-03-05T15:00:00.000Z");
      const found = await done(client, "search_tasks", { query: "REPORT" });
      assert.deepEqual([found.total, found.tasks[0].id], [1, task.id]);
      const listed = await done(client, "list_tasks", { tags: ["work"], due_before: "2031-03-06" });
      assert.deepEqual(listed.tasks.map((item) => item.id), [task.id]);
      const changed = await done(client, "update_task", { task_id: task.id, title: "Send it", due_date: null });
      assert.deepEqual([changed.title, changed.due_date, changed.version], ["Send it", null, 2]);
      const answer = await done(client, "complete_task", { task_id: task.id });
      assert.deepEqual([answer.completed_task.status, answer.next_task], ["completed", null]);
      assert.deepEqual(await done(client, "delete_task", { task_id: task.id }), { deleted: true, id: task.id });
      const gone = await client.callTool({ name: "get_task", arguments: { task_id: task.id } });
      assert.deepEqual([gone.isError, gone.content[0].text], [true, "Task not found"]);
    });
  },

  async sets_and_lists_reminders() {
    await withClient(MCP_TOKEN, async (client) => {
      await client.listTools();
      let task = await done(client, "add_task", { title: "Call Ann", due_date: "2031-04-01T10:00:00+02:00" });
      task = await done(client, "set_reminder", { task_id: task.id, remind_at: "2031-04-01T07:30:00Z" });
      assert.deepEqual([task.remind_at, task.reminder_offset_minutes], ["2031-04-01T07:30:00.000Z", 30]);
      assert.deepEqual((await done(client, "list_reminders")).tasks.map((item) => item.id), [task.id]);
      task = await done(client, "set_reminder", { task_id: task.id, minutes_before: null });
      assert.deepEqual([task.remind_at, (await done(client, "list_reminders")).total], [null, 0]);
    });
  },

  async gets_the_next_of_a_series() {
    await withClient(MCP_TOKEN, async (client) => {
      await client.listTools();
      const task = await done(client, "add_task", { title: "Water the plants", due_date: "2031-05-01T09:00:00Z",
        recurrence_rule: "FREQ=WEEKLY" });
      let next = (await done(client, "complete_task", { task_id: task.id })).next_task;
      for (let i = 0; i < 120 && !next; i++) { // it may take longer than the call waits
        await new Promise((resolve) => setTimeout(resolve, 500));
        next = (await done(client, "search_tasks", { query: "water the plants", status: "active" })).tasks[0];
      }
      assert.equal(next?.due_date, "2031-05-08T09:00:00.000Z");
    });
  },

  async is_told_what_is_wrong_with_an_argument() {
    await withClient(MCP_TOKEN, async (client) => {
      for (const [name, args, part] of [
        ["add_task", { title: "x", colour: "red" }, "colour is not known"],
        ["add_task", { title: "x", due_date: "tomorrow" }, "due_date must be a time such as"],
        ["list_tasks", { limit: 0 }, "limit must be a number of 1 to 100"]]) {
        const result = await client.callTool({ name, arguments: args });
        assert.ok(result.isError && result.content[0].text.includes(part), result.content[0].text);
      }
    });
  },

  async gets_a_protocol_error_for_an_unknown_tool() {
    await withClient(MCP_TOKEN, async (client) => {
      await assert.rejects(client.callTool({ name: "drop_tables", arguments: {} }), (err) => err.code === -32602);
    });
  },

  async does_not_see_the_tasks_of_others() {
    const { id } = await withClient(MCP_TOKEN, (client) => done(client, "add_task", { title: "Mine alone" }));
    await withClient(MCP_OTHER_TOKEN, async (client) => {
      const result = await client.callTool({ name: "delete_task", arguments: { task_id: id } });
      assert.deepEqual([result.isError, result.content[0].text], [true, "Task not found"]);
    });
  },

  async may_say_its_timezone_in_the_address() {
    await withClient(MCP_TOKEN, async (client) => {
      const task = await done(client, "add_task", { title: "In Berlin", due_date: "2031-01-05T15:00" });
      assert.deepEqual([task.due_date, task.timezone], ["2031-01-05T14:00:00.000Z", "Europe/Berlin"]);
    }, "?timezone=Europe/Berlin");
  },

  async keeps_any_text_as_it_is() {
    await withClient(MCP_TOKEN, async (client) => {
      for (const title of ['"quotes" \\ and /', "🦊 ąä 漢字 \u202eright to left", "</task>", "line\u2028separator"]) {
        assert.equal((await done(client, "add_task", { title })).title, title);
      }
    });
  },

  async makes_calls_at_once() {
    await withClient(MCP_TOKEN, async (client) => {
      const titles = Array.from({ length: 20 }, (_, i) => `at once ${i}`);
      const tasks = await Promise.all(titles.map((title) => done(client, "add_task", { title })));
      assert.deepEqual(tasks.map((task) => task.title), titles);
    });
  },

  async is_refused_without_a_good_token() {
    statuses.length = 0;
    await assert.rejects(withClient("not.a.token", (client) => client.listTools()));
    assert.deepEqual([...new Set(statuses)], [401]);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log("ok", name);
  } catch (err) {
    failed += 1;
    console.log(err);
    console.log(`FAIL ${name}: ${String(err.message).replaceAll("\n", " ").slice(0, 300)}`);
  }
}
process.exit(failed ? 1 : 0);
