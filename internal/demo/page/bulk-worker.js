// Moves many bytes through one tunnel, down and then up, and checks that all
// of them arrived. It is a worker so that the page stays quick meanwhile.
//
// It takes {size} to start and {stop: true} to end early. It posts
//   {state}                    as Tunnel has it, without retryAt; "unused" after an end as it should be
//   {sample, sent, received}   sample: {direction, count, time, rate}, see Meter
//   {result}                   {direction, size, count, seconds, sum, want}, after each direction
//   {done: true}               at the end of the connection
// sent and received count the payload of all transfers.

import { CRC32 } from "./crc32.js";
import { describeClose, url } from "./tunnel.js";

const sampleEvery = 25; // ms
const rateSamples = 5; // that a rate is taken over
const highWater = 8 << 20; // bytes that may wait in the browser when sending
const messageSize = 256 << 10; // bytes

const traffic = { sent: 0, received: 0 };
const never = new Promise(() => {}); // for what a closed connection owes
let socket = null;

onmessage = ({ data }) => {
  if (data.stop) socket?.close(1000);
  else transfer(data.size);
};

// If the connection ends too soon, this goes no further: onclose says what is to be said.
async function transfer(size) {
  await open();
  const start = performance.now();
  postMessage({ result: await down(size, start) });
  postMessage({ result: await up(size, start) });
  socket.close(1000);
}

function open() {
  postMessage({ state: { name: "connecting" } });
  socket = new WebSocket(url("/bulk"));
  socket.binaryType = "arraybuffer";
  socket.onclose = (event) => {
    const name = event.code === 1000 ? "unused" : "closed";
    postMessage({ state: { name, close: describeClose(event) }, done: true });
  };
  return new Promise((resolve) => {
    socket.onopen = () => {
      postMessage({ state: { name: "open" } });
      resolve();
    };
  });
}

/** down has the backend send size bytes; the line behind them tells what it sent. */
async function down(size, start) {
  const meter = new Meter("down", start);
  const reply = receive(size, (count) => meter.update(count));
  command(`down ${size}`);
  const { count, sum, line } = await reply;
  const [, want] = line.split(" ");
  return { direction: "down", size, count, seconds: meter.stop(count), sum, want };
}

/** up sends size bytes; the line that comes back tells what the backend got. */
async function up(size, start) {
  const meter = new Meter("up", start);
  const reply = receive(0, () => {});
  command(`up ${size}`);
  const want = await sendBytes(size, (count) => meter.update(count));
  const { line } = await reply;
  const [count, sum] = line.split(" ");
  return { direction: "up", size, count: Number(count), seconds: meter.stop(size), sum, want };
}

function command(line) {
  const bytes = new TextEncoder().encode(`${line}\n`);
  socket.send(bytes);
  traffic.sent += bytes.length;
}

/** receive takes size bytes and the line behind them, however the messages cut them. */
function receive(size, progress) {
  const crc = new CRC32();
  let count = 0;
  let line = "";
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      traffic.received += data.byteLength;
      const body = new Uint8Array(data, 0, Math.min(size - count, data.byteLength));
      crc.add(body);
      count += body.length;
      progress(count);
      line += new TextDecoder().decode(new Uint8Array(data, body.length));
      if (line.endsWith("\n")) resolve({ count, sum: String(crc), line: line.trimEnd() });
    };
  });
}

/**
 * sendBytes sends size bytes as fast as the browser takes them, without letting
 * more than highWater pile up in it, and returns their checksum.
 */
async function sendBytes(size, progress) {
  const crc = new CRC32();
  const message = noise(messageSize);
  const head = new DataView(message.buffer);
  const target = socket;
  let given = 0; // to the browser
  let gone = 0; // from it
  for (;;) {
    while (given < size && target.bufferedAmount < highWater) {
      head.setFloat64(0, given); // so that no two messages are alike
      const bytes = message.subarray(0, Math.min(messageSize, size - given));
      crc.add(bytes);
      target.send(bytes);
      given += bytes.length;
    }
    traffic.sent += given - target.bufferedAmount - gone;
    gone = given - target.bufferedAmount;
    progress(gone);
    if (gone === size) return String(crc);
    // There is no event for a buffer that drains.
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (target.readyState !== WebSocket.OPEN) await never;
  }
}

function noise(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

/**
 * A Meter turns a growing count of bytes into samples, which it posts:
 * {direction, count, time, rate}, the time in s since start, the rate in bytes/s
 * over the last few samples, as single ones say more of the browser than of the tunnel.
 */
class Meter {
  #direction;
  #start;
  #begun = performance.now();
  #recent = [{ time: performance.now(), count: 0 }]; // oldest first

  constructor(direction, start) {
    this.#direction = direction;
    this.#start = start;
  }

  update(count) {
    const time = performance.now();
    if (time - this.#recent.at(-1).time < sampleEvery) return;
    const [oldest] = this.#recent;
    const rate = (count - oldest.count) / ((time - oldest.time) / 1000);
    const sample = { direction: this.#direction, count, time: (time - this.#start) / 1000, rate };
    postMessage({ sample, ...traffic });
    this.#recent.push({ time, count });
    if (this.#recent.length > rateSamples) this.#recent.shift();
  }

  /** stop posts the last counts and returns the seconds that it all took. */
  stop(count) {
    this.update(count);
    postMessage(traffic);
    return (performance.now() - this.#begun) / 1000;
  }
}
