// A WebSocket client that does as it is asked, made of Node's own WebSocket.
//
// The requests and answers are those of clients_test.go. By the interface of
// browsers, a client sends no fragments and no pings.

import { readFile } from "node:fs/promises";
import { digest, serve } from "./client.mjs";

await serve(async (request) => {
  const socket = new WebSocket(request.url);
  socket.binaryType = "arraybuffer";
  const received = digest();
  const event = (name) =>
    new Promise((resolve) => socket.addEventListener(name, resolve, { once: true }));
  const closed = event("close");
  const complete = new Promise((resolve) => {
    const check = () => received.bytes === request.await && resolve();
    socket.addEventListener("message", ({ data }) => {
      received.add(Buffer.from(data));
      check();
    });
    closed.then(resolve);
    check();
  });
  await event("open");

  if (request.file) {
    const data = await readFile(request.file);
    socket.send(request.text ? data.toString() : data);
  }
  await complete;
  if (request.code) socket.close(request.code, request.reason);
  const { code } = await closed;
  return { ...received.result(), code };
});
