"""A WebSocket client that does as it is asked, made of the library aiohttp.

The requests and answers are those of clients_test.go. aiohttp sends no fragments.
"""

import asyncio
import hashlib
import json
import sys

import aiohttp


async def serve(request):
    received = bytearray()
    async with aiohttp.ClientSession() as session, session.ws_connect(
        request["url"], max_msg_size=0, autoping=False
    ) as ws:

        async def receive():
            while request["await"] < 0 or len(received) < request["await"]:
                message = await ws.receive()
                if message.type == aiohttp.WSMsgType.TEXT and request["text"]:
                    received.extend(message.data.encode())
                elif message.type == aiohttp.WSMsgType.BINARY and not request["text"]:
                    received.extend(message.data)
                elif message.type == aiohttp.WSMsgType.PING:
                    await ws.pong(message.data)
                elif message.type == aiohttp.WSMsgType.CLOSE:
                    return
                else:
                    raise ValueError(message)

        async def receive_pong():
            message = await ws.receive()
            if (message.type, message.data) != (aiohttp.WSMsgType.PONG, request["ping"].encode()):
                raise ValueError(message)

        if request["ping"] is not None:
            await ws.ping(request["ping"].encode())
            await receive_pong()
        reading = asyncio.create_task(receive())
        if request["file"]:
            with open(request["file"], "rb") as f:
                data = f.read()
            if request["text"]:
                await ws.send_str(data.decode())
            else:
                await ws.send_bytes(data)
        await reading
        if request["code"]:
            await ws.close(code=request["code"], message=request["reason"].encode())
    return {
        "bytes": len(received),
        "sha256": hashlib.sha256(received).hexdigest(),
        "code": ws.close_code,
    }


def main():
    for line in sys.stdin:
        try:
            answer = asyncio.run(serve(json.loads(line)))
        except Exception as e:
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)


main()
