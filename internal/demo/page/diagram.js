// The picture at the top: a lane for each tunnel, with counters on both sides
// of the server.

import { bytes } from "./format.js";

/** A Lane shows one tunnel: the browser's counts on the left, the backend's on the right. */
export class Lane {
  #fields = {};
  #wires = {};
  #last = {};

  constructor({ container, template, name, path, frames }) {
    const lane = template.content.cloneNode(true);
    for (const field of lane.querySelectorAll("[data-field]")) this.#fields[field.dataset.field] = field;
    for (const side of ["left", "right"]) {
      this.#wires[side] = {
        up: lane.querySelector(`.${side} .track.up`),
        down: lane.querySelector(`.${side} .track.down`),
      };
    }
    this.#fields.name.textContent = name;
    this.#fields.path.textContent = `${path} – ${frames}`;
    container.append(lane);
  }

  /** showPage takes {sent, received} of the page. */
  showPage({ sent, received }) {
    this.#show("left", { up: ["sent", sent], down: ["received", received] });
  }

  /** showBackend takes {address, in, out}, as the backend told them. */
  showBackend(counts) {
    this.#fields.address.textContent = counts.address;
    this.#show("right", { up: ["in", counts.in], down: ["out", counts.out] });
  }

  /** rest shows that nothing is known to move on the backend's side. */
  rest() {
    for (const track of Object.values(this.#wires.right)) track.classList.remove("busy");
  }

  // A track is busy when its count has grown since it was last shown.
  #show(side, counts) {
    for (const [way, [field, count]] of Object.entries(counts)) {
      this.#fields[field].textContent = bytes(count);
      this.#wires[side][way].classList.toggle("busy", count > (this.#last[field] ?? count));
      this.#last[field] = count;
    }
  }
}

/**
 * parseStats reads a reply to "stats": a line for each backend, like
 * "ping    127.0.0.1:40123  open 1  in 800  out 800".
 */
export function parseStats(lines) {
  const stats = {};
  for (const line of lines) {
    const m = line.match(/^(\S+) +(\S+) +open \d+ +in (\d+) +out (\d+)$/);
    if (m) stats[m[1]] = { address: m[2], in: Number(m[3]), out: Number(m[4]) };
  }
  return stats;
}
