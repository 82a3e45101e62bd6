// Two plots on canvases, in the colours of the page and the pixels of the screen.

const margin = { left: 46, right: 12, top: 12, bottom: 36 };

/** A Plot draws itself again when it is told to, is resized or changes colours. */
class Plot {
  #canvas;
  #pending = false;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** redraw draws before the next frame is shown, once. */
  redraw() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#paint();
    });
  }

  #paint() {
    const canvas = this.#canvas;
    const { width, height } = canvas.getBoundingClientRect();
    const scale = devicePixelRatio;
    canvas.width = Math.round(width * scale); // clears it too
    canvas.height = Math.round(height * scale);
    const ctx = canvas.getContext("2d");
    ctx.scale(scale, scale);
    const style = getComputedStyle(canvas);
    ctx.font = `12px ${style.fontFamily}`;
    const area = {
      left: margin.left,
      right: width - margin.right,
      top: margin.top,
      bottom: height - margin.bottom,
      colour: (name) => style.getPropertyValue(`--${name}`).trim(),
    };
    this.draw(ctx, area);
  }
}

const rttWindow = 30; // seconds shown

/**
 * RTTPlot shows the round trips of the last 30 seconds as points, and two of
 * their quantiles as lines. The scale is logarithmic, so that a usual time and a
 * rare one can both be read.
 */
export class RTTPlot extends Plot {
  #samples = []; // {time, ms}; time is by Date.now's clock, in ms

  add(samples) {
    this.#samples.push(...samples);
    const oldest = Date.now() - rttWindow * 1000;
    while (this.#samples.length > 0 && this.#samples[0].time < oldest) this.#samples.shift();
    this.redraw();
  }

  /** quantiles are those of the window, or null if it is empty. */
  quantiles() {
    if (this.#samples.length === 0) return null;
    const sorted = this.#samples.map((s) => s.ms).sort((a, b) => a - b);
    const at = (q) => sorted[Math.ceil(q * sorted.length) - 1];
    return { p50: at(0.5), p99: at(0.99), min: sorted[0], max: sorted.at(-1) };
  }

  draw(ctx, area) {
    const q = this.quantiles();
    const x = linear(-rttWindow, 0, area.left, area.right);
    const y = logarithmic(...decades(q), area.bottom, area.top);
    const xTicks = [-30, -20, -10, 0].map((s) => ({ value: s, text: s === 0 ? "now" : String(s) }));
    drawAxes(ctx, area, { scale: x, ticks: xTicks, unit: "seconds" }, { scale: y, ticks: decadeTicks(y), unit: "ms" });
    if (!q) return;
    this.#drawPoints(ctx, area, x, y);
    drawLevel(ctx, area, y(q.p99), "p99");
    drawLevel(ctx, area, y(q.p50), "ping");
  }

  #drawPoints(ctx, area, x, y) {
    const now = Date.now();
    ctx.fillStyle = area.colour("ping");
    ctx.globalAlpha = 0.5;
    for (const { time, ms } of this.#samples) {
      const px = x((time - now) / 1000);
      if (px < area.left) continue;
      ctx.fillRect(px - 1.5, Math.min(y(ms), area.bottom) - 1.5, 3, 3);
    }
    ctx.globalAlpha = 1;
  }
}

/** ThroughputPlot shows bytes per second over the time of a transfer, a line for each direction. */
export class ThroughputPlot extends Plot {
  #lines = { down: [], up: [] }; // points {time, rate}, in s since the start and bytes/s

  clear() {
    this.#lines = { down: [], up: [] };
    this.redraw();
  }

  add(direction, point) {
    this.#lines[direction].push(point);
    this.redraw();
  }

  draw(ctx, area) {
    const points = Object.values(this.#lines).flat();
    const longest = points.reduce((most, p) => Math.max(most, p.time), 0.5);
    const fastest = points.reduce((most, p) => Math.max(most, p.rate / 1e6), 100);
    const xTicks = steps(longest, 6);
    const yTicks = steps(fastest * 1.05, 4);
    const x = linear(0, xTicks.at(-1).value, area.left, area.right);
    const y = linear(0, yTicks.at(-1).value, area.bottom, area.top);
    drawAxes(ctx, area, { scale: x, ticks: xTicks, unit: "seconds" }, { scale: y, ticks: yTicks, unit: "MB/s" });
    if (points.length === 0) drawCentred(ctx, area, "“Start” sends the bytes down, then up");
    for (const [direction, line] of Object.entries(this.#lines)) {
      drawArea(ctx, area, area.colour(direction), line.map((p) => [x(p.time), y(p.rate / 1e6)]));
    }
  }
}

// Scales are functions from a value to a place on the canvas.

function linear(from, to, start, end) {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

function logarithmic(from, to, start, end) {
  const place = linear(Math.log10(from), Math.log10(to), start, end);
  const scale = (value) => place(Math.log10(Math.max(value, from)));
  return Object.assign(scale, { from, to });
}

/** decades gives the ends of the scale: half the power of ten below the times, and a round value above. */
function decades(q) {
  const low = 10 ** Math.floor(Math.log10(Math.max(q?.min ?? 0.1, 0.1)));
  const most = Math.max(q?.max ?? 0, low * 100);
  const power = 10 ** Math.floor(Math.log10(most));
  return [low / 2, [1, 2, 5, 10].find((s) => s * power >= most) * power];
}

function decadeTicks({ from, to }) {
  const ticks = [];
  for (let decade = from * 2; decade <= to * 1.001; decade *= 10) {
    ticks.push({ value: decade, text: decade < 1 ? decade.toFixed(1) : String(Math.round(decade)) });
    for (let i = 2; i < 10 && decade * i < to; i++) ticks.push({ value: decade * i });
  }
  return ticks;
}

/** steps gives about n round values from 0 to the first that is not below max. */
function steps(max, n) {
  const rough = max / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((s) => s * power >= rough) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let i = 0; ; i++) {
    ticks.push({ value: i * step, text: (i * step).toFixed(digits) });
    if (i * step >= max) return ticks;
  }
}

function drawAxes(ctx, area, x, y) {
  ctx.lineWidth = 1;
  ctx.strokeStyle = area.colour("line");
  ctx.fillStyle = area.colour("soft");
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  for (const { value, text } of y.ticks) {
    const place = Math.round(y.scale(value)) + 0.5;
    ctx.globalAlpha = text ? 1 : 0.4;
    line(ctx, area.left, place, area.right, place);
    if (text) ctx.fillText(text, area.left - 8, place);
  }
  ctx.globalAlpha = 1;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "center";
  for (const { value, text } of x.ticks) {
    const place = x.scale(value);
    if (place > area.right + 1) continue;
    line(ctx, place, area.bottom, place, area.bottom + 4);
    ctx.textAlign = place > area.right - 20 ? "right" : "center";
    ctx.fillText(text, ctx.textAlign === "right" ? area.right : place, area.bottom + 16);
  }
  line(ctx, area.left, area.bottom, area.right, area.bottom);
  ctx.textAlign = "center";
  ctx.fillText(x.unit, (area.left + area.right) / 2, area.bottom + 31);
  ctx.save();
  ctx.translate(11, (area.top + area.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(y.unit, 0, 0);
  ctx.restore();
}

function drawLevel(ctx, area, y, colour) {
  ctx.strokeStyle = area.colour(colour);
  ctx.lineWidth = 1.5;
  ctx.setLineDash([6, 4]);
  line(ctx, area.left, y, area.right, y);
  ctx.setLineDash([]);
}

function drawArea(ctx, area, colour, points) {
  if (points.length === 0) return;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  ctx.beginPath();
  for (const [x, y] of points) ctx.lineTo(x, y);
  ctx.stroke();
  ctx.lineTo(points.at(-1)[0], area.bottom);
  ctx.lineTo(points[0][0], area.bottom);
  ctx.globalAlpha = 0.16;
  ctx.fill();
  ctx.globalAlpha = 1;
}

function drawCentred(ctx, area, text) {
  ctx.fillStyle = area.colour("soft");
  ctx.textAlign = "center";
  ctx.fillText(text, (area.left + area.right) / 2, (area.top + area.bottom) / 2);
}

function line(ctx, x1, y1, x2, y2) {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}
