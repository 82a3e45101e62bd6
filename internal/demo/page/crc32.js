// CRC-32 as in zip and PNG (reversed polynomial 0xedb88320), eight bytes at a time.

const tables = makeTables();

function makeTables() {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0][i] = crc;
  }
  for (let i = 0; i < 256; i++) {
    for (let t = 1; t < 8; t++) {
      const before = tables[t - 1][i];
      tables[t][i] = (before >>> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

/** A CRC32 is the checksum of all that was added to it. */
export class CRC32 {
  #crc = -1;

  /** add takes a Uint8Array. */
  add(b) {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
    let crc = this.#crc;
    let i = 0;
    for (; i + 8 <= b.length; i += 8) {
      crc ^= b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
      crc =
        t7[crc & 255] ^ t6[(crc >>> 8) & 255] ^ t5[(crc >>> 16) & 255] ^ t4[crc >>> 24] ^
        t3[b[i + 4]] ^ t2[b[i + 5]] ^ t1[b[i + 6]] ^ t0[b[i + 7]];
    }
    for (; i < b.length; i++) crc = t0[(crc ^ b[i]) & 255] ^ (crc >>> 8);
    this.#crc = crc;
  }

  toString() {
    return (~this.#crc >>> 0).toString(16).padStart(8, "0");
  }
}
