// The console: lines to the backend, replies below them.

import { milliseconds } from "./format.js";

const keptLines = 400; // of the log; older ones are dropped

/**
 * Lines sends lines and pairs them with their replies.
 *
 * The tunnel is a stream of bytes: a message may hold half a reply, or two.
 * A reply is some lines that are not empty, then an empty one, and replies come
 * in the order of the lines.
 */
export class Lines {
  #tunnel;
  #waiting = []; // {time, onreply} of each line without a reply
  #reply = []; // lines of the reply that is coming in
  #rest = ""; // the start of a line whose end is not here yet

  constructor(tunnel) {
    this.#tunnel = tunnel;
    tunnel.ondata = (text) => this.#take(text);
  }

  /** send returns false if the tunnel is not open, else onreply(lines, ms) is called later. */
  send(line, onreply) {
    if (!this.#tunnel.send(`${line}\n`)) return false;
    this.#waiting.push({ time: performance.now(), onreply });
    return true;
  }

  /** reset forgets what the connection that has ended still owed. */
  reset() {
    this.#waiting = [];
    this.#reply = [];
    this.#rest = "";
  }

  #take(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== "") {
        this.#reply.push(line);
        continue;
      }
      const asked = this.#waiting.shift();
      asked?.onreply(this.#reply, performance.now() - asked.time);
      this.#reply = [];
    }
  }
}

/** Console is the log and the form below it. */
export class Console {
  #lines;
  #log;
  #input;
  #history = [];
  #place = 0; // in the history; its length stands for the new line

  constructor(lines, { log, form, input }) {
    this.#lines = lines;
    this.#log = log;
    this.#input = input;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#recall(step);
    });
  }

  /** ask sends a line and shows it; its time and its reply follow. */
  ask(line) {
    const asked = this.#add("asked", `› ${line}`);
    const time = document.createElement("span");
    time.className = "time";
    asked.append(time);
    const sent = this.#lines.send(line, (reply, ms) => {
      time.textContent = milliseconds(ms);
      // Replies may come after later lines were sent: put each below its line.
      asked.after(...reply.map((text) => paragraph("answer", text)));
      this.#settle();
    });
    if (!sent) time.textContent = "not connected";
  }

  /** note shows something that did not come through the tunnel. */
  note(text) {
    this.#add("event", text);
  }

  #submit() {
    const line = this.#input.value;
    this.#input.value = "";
    if (line === "") return;
    this.#history.push(line);
    this.#place = this.#history.length;
    this.ask(line);
  }

  #recall(step) {
    this.#place = Math.max(0, Math.min(this.#place + step, this.#history.length));
    this.#input.value = this.#history[this.#place] ?? "";
  }

  #add(kind, text) {
    const line = paragraph(kind, text);
    this.#log.append(line);
    this.#settle();
    return line;
  }

  #settle() {
    while (this.#log.childElementCount > keptLines) this.#log.firstElementChild.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

function paragraph(kind, text) {
  const p = document.createElement("p");
  p.className = kind;
  const words = document.createElement("span");
  words.textContent = text;
  p.append(words);
  return p;
}
