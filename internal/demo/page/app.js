// The page's parts, put together. Each part is in a module of its own and knows
// nothing of the others.

import { showConfig } from "./config.js";
import { Connections } from "./connections.js";
import { Console, Lines } from "./console.js";
import { Lane, parseStats } from "./diagram.js";
import { mebibytes, milliseconds, rate, seconds } from "./format.js";
import { RTTPlot, ThroughputPlot } from "./plot.js";
import { Tunnel } from "./tunnel.js";

const element = (id) => document.getElementById(id);

const traffic = {
  console: { sent: 0, received: 0 },
  ping: { sent: 0, received: 0 },
  bulk: { sent: 0, received: 0 },
};

function main() {
  element("server-address").textContent = location.host;
  const connections = startConnections();
  const lanes = startDiagram();
  const consoleTunnel = startConsole(connections);
  startCounters(connections, lanes, consoleTunnel);
  startPing(connections);
  startBulk(connections);
}

function startConnections() {
  const connections = new Connections({ table: element("connections"), events: element("events") });
  connections.add("console", "the lines you type");
  connections.add("counters", "polls “stats”");
  connections.add("ping", "round-trip time");
  connections.add("bulk", "throughput");
  return connections;
}

/** report passes a state on to the table and to the sign at the top. */
function report(connections, name, state) {
  connections.set(name, state);
  const sign = element("status");
  const open = connections.areOpen(["console", "counters", "ping"]);
  sign.dataset.state = open ? "open" : state.name === "closed" ? "closed" : sign.dataset.state;
  const text = { open: "connected", closed: "not connected" }[sign.dataset.state] ?? "connecting";
  if (sign.textContent !== text) sign.textContent = text; // read aloud at a change only
}

function startDiagram() {
  const lane = (name, frames) =>
    new Lane({ container: element("path"), template: element("lane"), name, path: `/${name}`, frames });
  return {
    console: lane("console", "text"),
    ping: lane("ping", "binary"),
    bulk: lane("bulk", "binary"),
  };
}

/** startConsole returns the console's tunnel, for its counters. */
function startConsole(connections) {
  const tunnel = new Tunnel("/console");
  const lines = new Lines(tunnel);
  const terminal = new Console(lines, {
    log: element("console-log"),
    form: element("console-form"),
    input: element("console-input"),
  });
  let greeted = false;
  tunnel.onopen = () => {
    loadConfig();
    if (!greeted) terminal.ask("help");
    greeted = true;
  };
  tunnel.onstate = (state) => {
    report(connections, "console", state);
    lines.reset();
    if (state.close) terminal.note(`closed ${state.close}`);
  };
  tunnel.connect();
  return tunnel;
}

/** loadConfig shows the configuration; a server that was started again may have another one. */
async function loadConfig() {
  const answer = await fetch("wstunneld.conf", { cache: "no-store" });
  if (answer.ok) showConfig(element("config"), await answer.text());
}

/** startCounters keeps the picture up to date, with a second console for the backends' side. */
function startCounters(connections, lanes, consoleTunnel) {
  const tunnel = new Tunnel("/console");
  const lines = new Lines(tunnel);
  tunnel.onstate = (state) => {
    report(connections, "counters", state);
    lines.reset();
    for (const lane of Object.values(lanes)) lane.rest();
  };
  tunnel.connect();
  const showBackends = (reply) => {
    for (const [name, counts] of Object.entries(parseStats(reply))) lanes[name]?.showBackend(counts);
  };
  setInterval(() => {
    traffic.console.sent = consoleTunnel.sent + tunnel.sent;
    traffic.console.received = consoleTunnel.received + tunnel.received;
    for (const [name, lane] of Object.entries(lanes)) lane.showPage(traffic[name]);
    lines.send("stats", showBackends);
  }, 500);
}

function startPing(connections) {
  const plot = new RTTPlot(element("rtt-plot"));
  const worker = new Worker("ping-worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.clock) {
      element("rtt-note").textContent += ` The clock of this browser has steps of ${stepText(data.clock)}.`;
    }
    if (data.state) report(connections, "ping", data.state);
    if (data.samples) {
      traffic.ping = { sent: data.sent, received: data.received };
      plot.add(data.samples);
      showQuantiles(plot.quantiles());
    }
  };
}

function stepText(ms) {
  return ms < 0.095 ? `${Math.round(ms * 1000)} µs` : milliseconds(ms);
}

function showQuantiles(q) {
  element("rtt-p50").textContent = q ? milliseconds(q.p50) : "–";
  element("rtt-p99").textContent = q ? milliseconds(q.p99) : "–";
}

function startBulk(connections) {
  const plot = new ThroughputPlot(element("bulk-plot"));
  const worker = new Worker("bulk-worker.js", { type: "module" });
  const button = element("bulk-button");
  let size = 0;
  let running = false;
  let stopped = false; // by the button

  element("bulk-form").addEventListener("submit", (event) => {
    event.preventDefault();
    stopped = running;
    if (running) {
      worker.postMessage({ stop: true });
      return;
    }
    size = Number(element("bulk-size").value);
    setRunning(true);
    plot.clear();
    clearResult("down");
    clearResult("up");
    worker.postMessage({ size });
  });
  worker.onmessage = ({ data }) => {
    if (data.state) report(connections, "bulk", data.state);
    if ("sent" in data) traffic.bulk = { sent: data.sent, received: data.received };
    if (data.sample) showSample(data.sample);
    if (data.result) showResult(data.result);
    if (data.done) {
      setRunning(false);
      markUnfinished(stopped ? "stopped" : `not finished, closed ${data.state.close}`);
    }
  };

  function setRunning(now) {
    running = now;
    button.textContent = now ? "Stop" : "Start";
  }
  function showSample(sample) {
    plot.add(sample.direction, sample);
    result(sample.direction).words.textContent = `${Math.floor(sample.count / 2 ** 20)} of ${mebibytes(size)}`;
  }
}

// Each direction's line of the result: a text, and the verdict as data-verdict
// ("", "ok" or "bad"). What is final is read aloud, what still changes is not.

function result(direction) {
  const item = element("bulk-result").querySelector(`[data-direction=${direction}]`);
  return { item, words: item.querySelector("span") };
}

function clearResult(direction) {
  const { item, words } = result(direction);
  item.dataset.verdict = "";
  words.textContent = "waiting";
}

function showResult({ direction, size, count, seconds: time, sum, want }) {
  const { item, words } = result(direction);
  const ok = count === size && sum === want;
  item.dataset.verdict = ok ? "ok" : "bad";
  const verdict = document.createElement("em");
  verdict.textContent = ok ? `✓ CRC-32 ${sum} on both sides` : `✗ ${count} bytes, CRC-32 ${sum}, not ${want}`;
  words.replaceChildren(`${mebibytes(size)} in ${seconds(time)}, ${rate(size / time)} – `, verdict);
  element("bulk-said").textContent = item.textContent;
}

function markUnfinished(why) {
  for (const direction of ["down", "up"]) {
    const { item, words } = result(direction);
    if (item.dataset.verdict) continue;
    item.dataset.verdict = "bad";
    words.textContent = why;
  }
}

main();
