"""Uses everything the MCP server offers with the official Python client.

usage: official.py PLAN, where PLAN is JSON, made by third_party_clients.rs:
  transport    {"url", "key"} or {"command", "arguments", "environment"}
  revisions    protocol revisions, used by the clients in turn
  clients      number of concurrent clients
  calls        [{"tool", "arguments", "says", "refused"}]: the tools called must be exactly the tools listed
  resources    [{"uri", "says"}]
  prompts      [{"name", "arguments", "says"}]
  completions  [{"prompt" or "template", "argument", "value", "context", "offers"}]
Prints a report as JSON. On a failure, prints a message and exits with 1.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import httpx2
import jsonschema
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference, ResourceTemplateReference

LEGACY = "2025-11-25"


def expect(holds, what):
    if not holds:
        raise SystemExit(what)


@asynccontextmanager
async def connected(transport, revision):
    mode = "legacy" if revision == LEGACY else revision
    if "command" in transport:
        server = StdioServerParameters(
            command=transport["command"], args=transport["arguments"], env=transport["environment"]
        )
        async with Client(server, mode=mode, read_timeout_seconds=60) as client:
            yield client
    else:
        headers = {"Authorization": f"Bearer {transport['key']}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
            server = streamable_http_client(transport["url"], http_client=http)
            async with Client(server, mode=mode, read_timeout_seconds=60) as client:
                yield client


async def every_page(list_page, field):
    found, cursor = [], None
    while True:
        page = await list_page(cursor=cursor)
        found += getattr(page, field)
        cursor = page.next_cursor
        if cursor is None:
            return found


async def call(client, tool, planned):
    result = await client.call_tool(planned["tool"], planned["arguments"])
    text = "\n".join(block.text for block in result.content if block.type == "text")
    about = f"{planned['tool']} {planned['arguments']}: {text[:600]}"
    expect(bool(result.is_error) == planned.get("refused", False), f"isError is {result.is_error}: {about}")
    says = planned.get("says", "")
    expect(says in text, f"{says!r} is missing: {about}")
    if tool.output_schema is not None and not result.is_error:
        expect(result.structured_content is not None, f"no structuredContent: {about}")
        jsonschema.Draft202012Validator(tool.output_schema).validate(result.structured_content)


async def go_through(plan, number):
    revision = plan["revisions"][number % len(plan["revisions"])]
    done = {"revision": revision, "tools": 0, "calls": 0, "resources": 0, "prompts": 0, "completions": 0}
    async with connected(plan["transport"], revision) as client:
        spoken = client.protocol_version
        expect(spoken == revision, f"asked for {revision}, got {spoken}")
        tools = {tool.name: tool for tool in await every_page(client.list_tools, "tools")}
        for tool in tools.values():
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            expect(tool.description and tool.annotations is not None, f"{tool.name} lacks a description or annotations")
            if tool.output_schema is not None:
                jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        planned = {each["tool"] for each in plan["calls"]}
        differing = set(tools) ^ planned
        expect(not differing, f"listed and not in the plan, or the other way round: {sorted(differing)}")
        done["tools"] = len(tools)
        for each in plan["calls"]:
            tool = tools[each["tool"]]
            if not each.get("refused", False):
                jsonschema.Draft202012Validator(tool.input_schema).validate(each["arguments"])
            await call(client, tool, each)
            done["calls"] += 1

        listed = await every_page(client.list_resources, "resources")
        templates = await every_page(client.list_resource_templates, "resource_templates")
        expect(listed and templates, "no resources or no templates are listed")
        for resource in plan["resources"]:
            contents = (await client.read_resource(resource["uri"])).contents
            text = "\n".join(getattr(content, "text", "") for content in contents)
            expect(resource["says"] in text, f"{resource['uri']} says: {text[:600]}")
            done["resources"] += 1

        prompts = {prompt.name for prompt in await every_page(client.list_prompts, "prompts")}
        unplanned = prompts - {prompt["name"] for prompt in plan["prompts"]}
        expect(not unplanned, f"listed, but not in the plan: {sorted(unplanned)}")
        for prompt in plan["prompts"]:
            messages = (await client.get_prompt(prompt["name"], prompt["arguments"])).messages
            text = "\n".join(getattr(message.content, "text", "") for message in messages)
            expect(prompt["says"] in text, f"prompt {prompt['name']} says: {text[:600]}")
            done["prompts"] += 1

        for completion in plan["completions"]:
            if "prompt" in completion:
                about = PromptReference(type="ref/prompt", name=completion["prompt"])
            else:
                about = ResourceTemplateReference(type="ref/resource", uri=completion["template"])
            argument = {"name": completion["argument"], "value": completion["value"]}
            context = completion.get("context")
            values = (await client.complete(about, argument, context)).completion.values
            expect(completion["offers"] in values, f"{completion} is offered {values}")
            done["completions"] += 1
    return done


async def main():
    plan = json.loads(sys.argv[1])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(go_through(plan, number)) for number in range(plan["clients"])]
    print(json.dumps([task.result() for task in tasks]))


def reasons(fault):
    if isinstance(fault, BaseExceptionGroup):
        return [reason for inner in fault.exceptions for reason in reasons(inner)]
    return [f"{type(fault).__name__}: {fault}"]


try:
    asyncio.run(main())
except BaseException as fault:  # a group of tasks wraps whatever went wrong, also an exit
    print("\n".join(reasons(fault)), file=sys.stderr)
    sys.exit(1)
