// What the WebSocket clients for Node share.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

// serve answers each request, a line of JSON on standard input.
export async function serve(handle) {
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await handle(JSON.parse(line)).catch((e) => ({ error: String(e) }));
    console.log(JSON.stringify(answer));
  }
}

// digest counts and hashes what was received.
export function digest() {
  const hash = createHash("sha256");
  return {
    bytes: 0,
    add(data) {
      this.bytes += data.length;
      hash.update(data);
    },
    result() {
      return { bytes: this.bytes, sha256: hash.digest("hex") };
    },
  };
}
