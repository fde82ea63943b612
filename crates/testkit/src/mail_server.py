"""An SMTP server for tests: prints its port, then each accepted message as a line of JSON.

Recipients at refused.example are refused permanently.
"""

import asyncio
import email
import email.policy
import json
import os

from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@refused.example"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        html = message.get_body(preferencelist=("html",))
        line = {
            "from": message["from"],
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "text": message.get_body(preferencelist=("plain",)).get_content(),
            "html": html and html.get_content(),
            "headers": message.items(),
            "automatic": message["auto-submitted"],
            "by": getattr(session, "login_data", None),
        }
        print(json.dumps(line), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    port = int(os.environ["PORT"])
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="mail.example"), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
