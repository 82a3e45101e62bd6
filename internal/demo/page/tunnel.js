// A tunnel as the page sees it: a WebSocket on one path of this server.

/** url is where the tunnel with this path is found; it works in workers too. */
export function url(path) {
  return new URL(path, location.href.replace(/^http/, "ws")).href;
}

const closeNames = {
  1000: "normal closure",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no code given",
  1006: "no close frame",
  1007: "invalid payload",
  1008: "policy violation",
  1009: "message too big",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
};

/** describeClose puts a close event into words: "1001 going away", with the reason if it has one. */
export function describeClose({ code, reason }) {
  return [code, closeNames[code], reason && `(${reason})`].filter(Boolean).join(" ");
}

const shortestWait = 1000; // ms before the first new attempt
const longestWait = 15000; // ms before a late one
const steadyAfter = 5000; // ms after which a connection counts as a good one

/**
 * A Tunnel keeps a WebSocket open: when it ends, it is opened again, later and
 * later as attempts fail, and not by all pages at the same moment.
 *
 * Its callbacks are onopen(), ondata(text or ArrayBuffer) and onstate(state).
 * A state is {name, close, retryAt}. The name is "connecting", "open" or "closed".
 * Only "closed" has the others: close is how the connection ended, or undefined if
 * there was none yet; retryAt is when the next attempt is due, by Date.now's clock.
 */
export class Tunnel {
  sent = 0; // bytes of payload, over all connections
  received = 0;
  onopen = () => {};
  ondata = () => {};
  onstate = () => {};
  #path;
  #socket = null;
  #failures = 0;
  #openedAt = 0;

  constructor(path) {
    this.#path = path;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.onstate({ name: "connecting" });
    this.#openedAt = 0;
    const socket = new WebSocket(url(this.#path));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#got(event.data);
    socket.onclose = (event) => this.#closed(event);
    this.#socket = socket;
  }

  /** send sends text or bytes; it returns false if the tunnel is not open. */
  send(data) {
    if (!this.isOpen) return false;
    this.#socket.send(data);
    this.sent += byteLength(data);
    return true;
  }

  #opened() {
    this.#openedAt = Date.now();
    this.onstate({ name: "open" });
    this.onopen();
  }

  #got(data) {
    this.received += byteLength(data);
    this.ondata(data);
  }

  #closed(event) {
    const wasSteady = this.#openedAt > 0 && Date.now() - this.#openedAt > steadyAfter;
    this.#failures = wasSteady ? 0 : this.#failures + 1;
    const wait = pause(this.#failures);
    const close = this.#openedAt > 0 ? describeClose(event) : undefined;
    this.onstate({ name: "closed", close, retryAt: Date.now() + wait });
    setTimeout(() => this.connect(), wait);
  }
}

function pause(failures) {
  const wait = Math.min(shortestWait * 2 ** failures, longestWait);
  return wait * (0.8 + 0.4 * Math.random());
}

const encoder = new TextEncoder();

function byteLength(data) {
  return typeof data === "string" ? encoder.encode(data).length : data.byteLength;
}
