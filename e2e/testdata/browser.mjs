// A headless Chromium with one page, which does as it is asked.
//
// Usage: browser.mjs CHROMIUM
//
// Each request is a line of JSON, {"do": ACTION, ...}; the answer holds the
// action's value or its error.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--no-sandbox", // it refuses to run as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
page.setDefaultTimeout(20_000);
const errors = []; // of the page
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => {
  console.error(`${message.type()}: ${message.text()}`);
  if (message.type() === "error") errors.push(message.text());
});

const actions = {
  prepare: ({ script }) => page.addInitScript(script), // runs in a page before its own scripts
  open: async ({ url }) => void (await page.goto(url)),
  evaluate: ({ script }) => page.evaluate(script),
  click: ({ selector }) => page.click(selector),
  clickAt: ({ x, y, button }) => page.mouse.click(x, y, { button }),
  fill: ({ selector, text }) => page.fill(selector, text),
  select: ({ selector, text }) => page.selectOption(selector, text),
  press: ({ key }) => page.keyboard.press(key),
  errors: async () => errors,
  screenshot: async ({ path }) => void (await page.screenshot({ path })),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = await actions[request.do](request).then(
    (value) => ({ value }),
    (error) => ({ error: String(error) }),
  );
  console.log(JSON.stringify(answer));
}
await browser.close();
