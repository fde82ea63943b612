"""Sends questions with the official OpenAI client, streamed and not, and requests that are refused.

usage: openai_official.py URL KEY PLAN, where PLAN is JSON, made by openai.rs:
  models     ids that must be listed
  asks       [{"model", "messages", "says", "cites", "usage"}]: each is sent unstreamed and streamed
  refusals   [{"request", "error", "status", "code", "param"}]
Prints a report as JSON. On a failure, prints a message and exits with 1.
"""

import json
import sys

import openai


def expect(holds, what):
    if not holds:
        raise SystemExit(what)


def ask(client, asked):
    request = {"model": asked["model"], "messages": asked["messages"]}
    whole = client.chat.completions.create(**request)
    text = whole.choices[0].message.content
    expect(whole.object == "chat.completion" and whole.choices[0].finish_reason == "stop", f"{whole}")
    expect(asked["says"] in text, f"{asked['says']!r} is missing: {text}")
    expect(whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens, f"{whole.usage}")
    if "usage" in asked:
        expect([whole.usage.prompt_tokens, whole.usage.completion_tokens] == asked["usage"], f"{whole.usage}")
    # Also where the language model reports none; the sources alone are longer than the answer.
    expect(whole.usage.prompt_tokens > whole.usage.completion_tokens > 0, f"{whole.usage}")
    cited = [source["number"] for source in whole.sources if source["cited"]]
    expect(cited == asked["cites"], f"cites {cited}")

    stream = client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
    pieces, reasons, usage = [], [], None
    for chunk in stream:
        expect(usage is None, "chunks after the usage")
        expect("usage" in chunk.model_fields_set and (chunk.usage is None or not chunk.choices), f"{chunk}")
        expect(chunk.object == "chat.completion.chunk", f"{chunk}")
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reasons += [choice.finish_reason] if choice.finish_reason else []
        usage = chunk.usage or usage
    expect("".join(pieces) == text, f"streamed {''.join(pieces)!r} and not {text!r}")
    expect(reasons == ["stop"] and usage.total_tokens == whole.usage.total_tokens, f"{reasons} {usage}")
    return len([piece for piece in pieces if piece])


def refused(client, planned):
    try:
        client.chat.completions.create(**planned["request"])
    except openai.APIStatusError as error:
        told = (type(error).__name__, error.status_code, error.code, error.param)
        wanted = (planned["error"], planned["status"], planned["code"], planned.get("param"))
        expect(told == wanted, f"{planned['request']}: {told} and not {wanted}: {error}")
        return str(error)
    raise SystemExit(f"{planned['request']} was not refused")


def main():
    url, key, plan = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60) as client:
        listed = {model.id: model for model in client.models.list()}
        missing = set(plan["models"]) - set(listed)
        expect(not missing, f"not listed: {missing} of {set(listed)}")
        for name in plan["models"]:
            expect(client.models.retrieve(name).id == name, name)
        pieces = [ask(client, asked) for asked in plan["asks"]]
        told = [refused(client, planned) for planned in plan["refusals"]]
        # Stops the answer by closing the stream.
        if "left" in plan:
            stream = client.chat.completions.create(**plan["left"], stream=True)
            for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    break
            stream.close()
    with openai.OpenAI(base_url=url, api_key="wy_none", max_retries=0, timeout=60) as stranger:
        for use in (lambda: list(stranger.models.list()), lambda: stranger.chat.completions.create(**plan["refusals"][0]["request"])):
            try:
                use()
            except openai.AuthenticationError as error:
                expect(error.code == "invalid_api_key", f"{error}")
            else:
                raise SystemExit("a bad key was taken")
    print(json.dumps({"listed": len(listed), "pieces": pieces, "told": told}))


main()
