"""The official Python client 2.x: as it comes, without a handshake, or with one. usage: python_2.py auto|legacy"""

import contextlib
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

import cases

MODE = sys.argv[1]


class Session:
    def __init__(self, client):
        self.client = client
        self.version = client.protocol_version
        self.server = client.server_info.name
        self.instructions = client.instructions

    async def list_tools(self):
        return [{"name": t.name, "input_schema": t.input_schema, "output_schema": t.output_schema,
                 "read_only": t.annotations.read_only_hint, "destructive": t.annotations.destructive_hint}
                for t in (await self.client.list_tools()).tools]

    async def call(self, name, arguments):
        try:
            result = await self.client.call_tool(name, arguments)
        except MCPError as err:
            raise cases.ProtocolError(err.code, err.message) from err
        return cases.Result(result.is_error, result.structured_content, result.content[0].text)


@contextlib.asynccontextmanager
async def connect(url, token):
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=60,
                                   event_hooks={"response": [cases.note_status]}) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=MODE) as client:
            yield Session(client)


async def subscribes_to_nothing(connect, _):
    async with connect(cases.URL, cases.TOKEN) as session:
        async with session.client.listen(tools_list_changed=True) as subscription:
            assert not subscription.honored.tools_list_changed, subscription.honored
            assert [event async for event in subscription] == []


if MODE == "legacy":
    cases.run(connect, "2025-11-25")
else:
    cases.run(connect, "2026-07-28", [subscribes_to_nothing])
