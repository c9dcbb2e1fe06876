"""The official Python client 1.x, which begins with a handshake."""

import contextlib

import httpx
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client

import cases


class Session:
    def __init__(self, session, greeting):
        self.session = session
        self.version = greeting.protocolVersion
        self.server = greeting.serverInfo.name
        self.instructions = greeting.instructions

    async def list_tools(self):
        return [{"name": t.name, "input_schema": t.inputSchema, "output_schema": t.outputSchema,
                 "read_only": t.annotations.readOnlyHint, "destructive": t.annotations.destructiveHint}
                for t in (await self.session.list_tools()).tools]

    async def call(self, name, arguments):
        try:
            result = await self.session.call_tool(name, arguments)
        except McpError as err:
            raise cases.ProtocolError(err.error.code, err.error.message) from err
        return cases.Result(result.isError, result.structuredContent, result.content[0].text)


@contextlib.asynccontextmanager
async def connect(url, token):
    async with httpx.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=60,
                                  event_hooks={"response": [cases.note_status]}) as http:
        async with streamable_http_client(url, http_client=http) as (reader, writer, _):
            async with ClientSession(reader, writer) as session:
                yield Session(session, await session.initialize())


async def pings(connect, _):
    async with connect(cases.URL, cases.TOKEN) as session:
        await session.session.send_ping()


cases.run(connect, "2025-11-25", [pings])
