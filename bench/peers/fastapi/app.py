"""The same two routes on FastAPI and asyncpg, as a careful engineer of that stack would write them."""

import os
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Annotated, Literal

import asyncpg
import jwt
import orjson
from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, Field

with open(os.environ["INSERT_SQL"]) as f:
    INSERT = f.read()
SECRET = os.environ.get("JWT_SECRET", "")
SIZE = int(os.environ["POOL"]) // 2  # of each of the two workers
Tag = Annotated[str, Field(min_length=1, max_length=50)]


class Echo(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=255)]
    tags: Annotated[list[Tag], Field(max_length=20)]
    priority: Literal["low", "medium", "high"]


class NewTask(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=255)]
    description: Annotated[str, Field(max_length=2000)] | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] = []
    priority: Literal["low", "medium", "high"] = "medium"
    due_date: datetime | None = None


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=SIZE, max_size=SIZE)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


def reply(status, value):
    return Response(orjson.dumps(value), status, media_type="application/json")


@app.get("/health")
async def health():
    return {}


@app.post("/bench/echo")
async def echo(body: Echo):
    return reply(200, {"title": body.title, "tags": [t.lower() for t in body.tags], "priority": body.priority,
                       "length": len(body.title)})


@app.post("/api/tasks", status_code=201)
async def create(body: NewTask, authorization: Annotated[str, Header()] = ""):
    try:
        user = jwt.decode(authorization[7:], SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})["sub"]
    except jwt.PyJWTError:
        raise HTTPException(401, "Invalid token")
    now = datetime.now(timezone.utc)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    task_id, first, second = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    task = {"id": str(task_id), "title": body.title, "description": body.description, "status": "pending",
            "priority": body.priority, "due_date": body.due_date.isoformat() if body.due_date else None, "user_id": user,
            "created_at": stamp, "updated_at": stamp, "tags": [t.lower() for t in body.tags],
            "reminder_offset_minutes": None, "remind_at": None, "is_recurring": False, "recurrence_rule": None,
            "parent_task_id": None, "timezone": None, "repeat_from": "due_date", "version": 1}

    def event(event_id, kind, payload):
        return orjson.dumps({"event_id": str(event_id), "event_type": kind, "timestamp": stamp, "user_id": user,
                             "task_id": task["id"], "payload": payload}).decode()
    async with app.state.pool.acquire() as connection:
        await connection.execute(INSERT, task_id, user, body.title, body.description, "pending", body.priority, body.due_date,
                                 task["tags"], None, None, None, None, None, "due_date", 1, now, now, None,
                                 "task-events", first, "task.created", event(first, "task.created", task),
                                 "task-updates", second, "task.sync", event(second, "task.sync", {"action": "created", "task": task}))
    return reply(201, task)
