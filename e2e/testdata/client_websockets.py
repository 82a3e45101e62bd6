"""A WebSocket client that does as it is asked, made of the library websockets.

The requests and answers are those of clients_test.go.
"""

import asyncio
import hashlib
import json
import sys

import websockets


async def serve(request):
    received = bytearray()
    async with websockets.connect(
        request["url"], max_size=None, compression=None, ping_interval=None
    ) as ws:

        async def receive():
            try:
                while request["await"] < 0 or len(received) < request["await"]:
                    message = await ws.recv()
                    received.extend(message.encode() if request["text"] else message)
            except websockets.ConnectionClosed:
                pass

        reading = asyncio.create_task(receive())
        if request["ping"] is not None and not request["fragments"]:
            await (await ws.ping(request["ping"]))
        if request["file"]:
            with open(request["file"], "rb") as f:
                data = f.read()
            if request["text"]:
                data = data.decode()
            if request["fragments"]:
                await ws.send(fragments(ws, data, request))
            else:
                await ws.send(data)
        await reading
        if request["code"]:
            await ws.close(request["code"], request["reason"])
    return {
        "bytes": len(received),
        "sha256": hashlib.sha256(received).hexdigest(),
        "code": ws.close_code,
    }


async def fragments(ws, data, request):
    """Yield data in pieces, with the ping behind the first."""
    size = -(-len(data) // request["fragments"])
    for i in range(0, len(data), size):
        yield data[i : i + size]
        if i == 0 and request["ping"] is not None:
            await (await ws.ping(request["ping"]))


def main():
    for line in sys.stdin:
        try:
            answer = asyncio.run(serve(json.loads(line)))
        except Exception as e:
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)


main()
