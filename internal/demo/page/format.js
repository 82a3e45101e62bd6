// Numbers as text, with their units.

const byteUnits = ["B", "kB", "MB", "GB", "TB"];

/** bytes writes a count in powers of 1000: "999 B", "1.50 kB", "268 MB". */
export function bytes(count) {
  let unit = 0;
  while (count >= 999.5 && unit < byteUnits.length - 1) {
    count /= 1000;
    unit++;
  }
  return `${unit === 0 ? count : threeDigits(count)} ${byteUnits[unit]}`;
}

/** milliseconds writes a time as a browser's clock can tell it: "0.3 ms", "12.0 ms". */
export function milliseconds(ms) {
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** rate writes bytes per second: "412 MB/s". */
export function rate(bytesPerSecond) {
  return `${threeDigits(bytesPerSecond / 1e6)} MB/s`;
}

export function seconds(s) {
  return `${threeDigits(s)} s`;
}

/** mebibytes writes a size that is a whole number of MiB. */
export function mebibytes(size) {
  return `${size / 2 ** 20} MiB`;
}

export function clockTime(date) {
  return date.toLocaleTimeString("en-GB");
}

function threeDigits(n) {
  return n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0);
}
