"""Connect standard input and output to a WebSocket, for ssh's ProxyCommand.

Usage: wsproxy.py URL

At the end of its input it closes the WebSocket; it ends when that is closed.
"""

import asyncio
import sys

import websockets


async def main(url):
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    stdout = asyncio.StreamWriter(transport, protocol, None, loop)

    async with websockets.connect(url, max_size=None) as ws:

        async def send():
            while data := await stdin.read(1 << 16):
                await ws.send(data)
            await ws.close()

        sending = asyncio.create_task(send())
        async for message in ws:
            stdout.write(message)
            await stdout.drain()
        sending.cancel()


asyncio.run(main(sys.argv[1]))
