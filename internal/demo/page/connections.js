// The table of connections and the log of their beginnings and ends.

import { clockTime } from "./format.js";

const keptEvents = 200;

/** Connections shows the state of each tunnel in a row, and each change in the log. */
export class Connections {
  #rows = new Map(); // name → {state, close, retryAt}: two cells and a time
  #table;
  #events;

  constructor({ table, events }) {
    this.#table = table;
    this.#events = events;
    setInterval(() => this.#countDown(), 250);
  }

  /** add makes the row of a tunnel; use tells what it is for. */
  add(name, use) {
    const row = this.#table.insertRow();
    row.dataset.testid = `connection-${name}`;
    const head = row.insertCell();
    head.append(name, " ", small(use));
    const state = row.insertCell();
    state.className = "state";
    const close = row.insertCell();
    close.textContent = "–";
    this.#rows.set(name, { state, close });
    this.#show(name, { name: "unused" });
  }

  /** set takes a state as Tunnel has it; one more name is "unused". */
  set(name, state) {
    this.#show(name, state);
    if (state.name === "open") this.#log(`${name} open`);
    else if (state.close) this.#log(`${name} closed ${state.close}`);
    else if (state.name === "closed") this.#log(`${name} could not connect`);
  }

  /** areOpen tells whether all of the named tunnels are open. */
  areOpen(names) {
    return names.every((name) => this.#rows.get(name).state.dataset.state === "open");
  }

  #show(name, state) {
    const row = this.#rows.get(name);
    row.state.dataset.state = state.name;
    row.state.textContent = { open: "open", connecting: "connecting", unused: "not in use" }[state.name] ?? "closed";
    if (state.close) row.close.textContent = state.close;
    row.retryAt = state.retryAt;
  }

  #countDown() {
    for (const { state, retryAt } of this.#rows.values()) {
      if (!retryAt) continue;
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      state.textContent = `next try in ${seconds} s`;
    }
  }

  #log(text) {
    const event = document.createElement("li");
    event.textContent = `${clockTime(new Date())}  ${text}`;
    this.#events.append(event);
    while (this.#events.childElementCount > keptEvents) this.#events.firstElementChild.remove();
    this.#events.scrollTop = this.#events.scrollHeight;
  }
}

function small(text) {
  const element = document.createElement("small");
  element.textContent = text;
  return element;
}
