// A WebSocket client that does as it is asked, made of the npm package ws.
//
// The requests and answers are those of clients_test.go.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import WebSocket from "ws";
import { digest, serve } from "./client.mjs";

await serve(async (request) => {
  const socket = new WebSocket(request.url, { perMessageDeflate: false });
  const received = digest();
  const closed = once(socket, "close");
  closed.catch(() => {}); // an error is reported where closed is awaited
  const complete = new Promise((resolve) => {
    const check = () => received.bytes === request.await && resolve();
    socket.on("message", (data) => {
      received.add(data);
      check();
    });
    socket.on("close", resolve);
    check();
  });
  const ping = async () => {
    const answer = once(socket, "pong");
    socket.ping(request.ping);
    const [data] = await answer;
    if (data.toString() !== request.ping) throw new Error(`pong: ${data}`);
  };
  await once(socket, "open");

  if (request.ping !== null && !request.fragments) await ping();
  if (request.file) {
    // The pieces are of bytes: in text, a piece may end inside a character.
    const data = await readFile(request.file);
    const size = Math.ceil(data.length / (request.fragments || 1)) || 1;
    for (let i = 0; i === 0 || i < data.length; i += size) {
      const fin = i + size >= data.length;
      socket.send(data.subarray(i, i + size), { binary: !request.text, fin });
      if (request.fragments && i === 0 && request.ping !== null) await ping();
    }
  }
  await complete;
  if (request.code) socket.close(request.code, request.reason);
  const [code] = await closed;
  return { ...received.result(), code };
});
