"""Uses /graphql with gql, Python's client: uploads a document by REST and reads it, lists, changes and subscribes.

usage: graphql_official.py ORIGIN TOKEN; prints a JSON object and exits with 0 if everything works.
"""

import asyncio
import json
import sys

import requests
from gql import Client, gql
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport

origin, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
client = Client(
    transport=RequestsHTTPTransport(url=f"{origin}/graphql", headers=headers, timeout=60),
    fetch_schema_from_transport=True,  # so that gql checks each document against the schema, too
)

uploaded = requests.post(
    f"{origin}/api/v1/documents",
    headers=headers,
    data={"library": "tea", "version": "1"},
    files={"file": ("guide.md", b"# Tea\n\nSteep green tea at eighty degrees.\n")},
    timeout=60,
)
assert uploaded.status_code == 202, uploaded.text
document = uploaded.json()[0]["document_id"]

text = gql("query ($id: ID!) { documentText(document: $id, revision: \"1\") { text revision { status } } }")


async def read():
    for _ in range(600):
        try:
            return client.execute(text, variable_values={"id": document})["documentText"]
        except Exception as error:  # It is still being read.
            if "try again shortly" not in str(error):
                raise
        await asyncio.sleep(0.1)
    raise SystemExit("the document was not read within a minute")


async def main():
    found = await read()
    assert "eighty degrees" in found["text"] and found["revision"]["status"] == "COMPLETED", found

    create = gql(
        """mutation ($about: SubjectInput, $text: String!) {
          createPost(text: $text, about: $about, question: true) { __typename ... on Post { id } ... on Refusal { code } }
        }"""
    )
    posts = []
    for number in range(5):
        made = client.execute(create, variable_values={"text": f"Question {number}", "about": {"document": document}})
        assert made["createPost"]["__typename"] == "Post", made
        posts.append(made["createPost"]["id"])
    refused = client.execute(create, variable_values={"text": "", "about": None})
    assert refused["createPost"] == {"__typename": "Invalid", "code": "invalid"}, refused

    page = gql(
        """query ($document: ID!, $after: String) {
          posts(filter: { document: $document }, first: 2, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } }
        }"""
    )
    listed, after = [], None
    while True:
        found = client.execute(page, variable_values={"document": document, "after": after})["posts"]
        listed += [node["id"] for node in found["nodes"]]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert listed == posts[::-1], (listed, posts)

    add = gql("mutation ($post: ID!, $text: String!) { addComment(post: $post, text: $text) { ... on Comment { id } } }")
    comments = gql("subscription ($post: ID!) { comments(post: $post) { text } }")
    socket = WebsocketsTransport(
        url=f"{origin.replace('http', 'ws')}/graphql", init_payload=headers, subprotocols=["graphql-transport-ws"]
    )
    async with Client(transport=socket) as session:

        async def write():
            # Nothing tells when the subscription has begun.
            while True:
                client.execute(add, variable_values={"post": posts[0], "text": "By WebSocket"})
                await asyncio.sleep(1)

        writer = asyncio.create_task(write())
        try:
            async for event in session.subscribe(comments, variable_values={"post": posts[0]}):
                assert event["comments"]["text"] == "By WebSocket", event
                break
        finally:
            writer.cancel()
    print(json.dumps({"posts": len(listed)}))


asyncio.run(asyncio.wait_for(main(), 120))
