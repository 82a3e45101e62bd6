// Measures round trips without a pause. It is a worker because drawing the
// page would delay what it measures.
//
// It posts {state} when its tunnel's state changes, and ten times a second
// {samples, sent, received}: samples are {time, ms}, time by Date.now's clock.
// Its first message is {clock}, the step of the browser's clock in ms.

import { Tunnel } from "./tunnel.js";

const pingEvery = 50; // ms
const postEvery = 100; // ms
const size = 8; // bytes: the time of sending, as a float64

const tunnel = new Tunnel("/ping");
let samples = [];
let partial = new Uint8Array(0); // of an echo that has not all come

tunnel.onstate = (state) => {
  partial = new Uint8Array(0);
  postMessage({ state });
};

// Echoes are a stream of bytes: a message may hold several, or a part of one.
tunnel.ondata = (data) => {
  const now = performance.now();
  const bytes = joined(partial, new Uint8Array(data));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (; at + size <= bytes.length; at += size) {
    samples.push({ time: performance.timeOrigin + now, ms: now - view.getFloat64(at) });
  }
  partial = bytes.slice(at);
};

function joined(a, b) {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function ping() {
  const message = new DataView(new ArrayBuffer(size));
  message.setFloat64(0, performance.now());
  tunnel.send(message);
}

function report() {
  postMessage({ samples, sent: tunnel.sent, received: tunnel.received });
  samples = [];
}

/** clockStep is the smallest step of performance.now, which browsers make coarse on purpose. */
function clockStep() {
  let smallest = Infinity;
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    smallest = Math.min(smallest, now - start);
  }
  return smallest;
}

postMessage({ clock: clockStep() });
tunnel.connect();
setInterval(ping, pingEvery);
setInterval(report, postEvery);
