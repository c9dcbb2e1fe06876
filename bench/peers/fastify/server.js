// The same two routes on Fastify and pg, a process per core, as a careful engineer of that stack would.
import cluster from "node:cluster";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import Fastify from "fastify";
import pg from "pg";

const PROCESSES = 2;

if (cluster.isPrimary) {
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
  process.on("SIGTERM", () => process.exit(0));
} else {
  const insert = readFileSync(process.env.INSERT_SQL, "utf8");
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL) / PROCESSES });
  const verify = createVerifier({ key: process.env.JWT_SECRET, algorithms: ["HS256"], requiredClaims: ["exp", "sub"] });
  const app = Fastify({ bodyLimit: 65536 });
  const body = {
    type: "object",
    required: ["title"],
    properties: {
      title: { type: "string", minLength: 1, maxLength: 255 },
      description: { type: ["string", "null"], maxLength: 2000 },
      tags: { type: "array", maxItems: 20, items: { type: "string", minLength: 1, maxLength: 50 } },
      priority: { enum: ["low", "medium", "high"] },
      due_date: { type: "string", format: "date-time" },
    },
  };
  const nullable = { type: ["string", "null"] };
  const taskSchema = {
    type: "object",
    properties: {
      id: { type: "string" }, title: { type: "string" }, description: nullable, status: { type: "string" },
      priority: { type: "string" }, due_date: nullable, user_id: { type: "string" }, created_at: { type: "string" },
      updated_at: { type: "string" }, tags: { type: "array", items: { type: "string" } },
      reminder_offset_minutes: { type: ["integer", "null"] }, remind_at: nullable, is_recurring: { type: "boolean" },
      recurrence_rule: nullable, parent_task_id: nullable, timezone: nullable, repeat_from: { type: "string" },
      version: { type: "integer" },
    },
  };

  app.get("/health", async () => ({}));
  app.post("/bench/echo", {
    schema: {
      body: { ...body, required: ["title", "tags", "priority"] },
      response: { 200: { type: "object", properties: { title: { type: "string" }, tags: { type: "array", items: { type: "string" } },
        priority: { type: "string" }, length: { type: "integer" } } } },
    },
  }, async (request) => {
    const { title, tags, priority } = request.body;
    return { title, tags: tags.map((t) => t.toLowerCase()), priority, length: title.length };
  });
  app.post("/api/tasks", { schema: { body, response: { 201: taskSchema } } }, async (request, reply) => {
    let user;
    try {
      user = verify((request.headers.authorization ?? "").slice(7)).sub;
    } catch {
      return reply.code(401).send({ detail: "Invalid token" });
    }
    const now = new Date().toISOString();
    const input = request.body;
    const task = {
      id: randomUUID(), title: input.title, description: input.description ?? null, status: "pending",
      priority: input.priority ?? "medium", due_date: input.due_date ?? null, user_id: user, created_at: now,
      updated_at: now, tags: (input.tags ?? []).map((t) => t.toLowerCase()), reminder_offset_minutes: null, remind_at: null,
      is_recurring: false, recurrence_rule: null, parent_task_id: null, timezone: null, repeat_from: "due_date", version: 1,
    };
    const first = randomUUID(), second = randomUUID();
    const event = (id, type, payload) => JSON.stringify({ event_id: id, event_type: type, timestamp: now, user_id: user, task_id: task.id, payload });
    await pool.query({ name: "insert", text: insert, values: [task.id, user, task.title, task.description, task.status,
      task.priority, task.due_date, task.tags, null, null, null, null, null, task.repeat_from, 1, now, now, null,
      "task-events", first, "task.created", event(first, "task.created", task),
      "task-updates", second, "task.sync", event(second, "task.sync", { action: "created", task })] });
    return reply.code(201).send(task);
  });
  await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
}
