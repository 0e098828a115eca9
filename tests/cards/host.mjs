// Drives a real Chromium with one card in it. One JSON object a line: orders come in, replies and the card's calls go out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const PATIENCE_MS = 15_000;
const { resolve } = createRequire(import.meta.url);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const here = (name) => new URL(name, import.meta.url).pathname;

const bundle = await build({ entryPoints: [here("page.js")], bundle: true, write: false, format: "iife" });
const script = bundle.outputFiles[0].text;
const axe = readFileSync(resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu"] });

const calls = new Map();
let called = 0;
let page;
let seen;
const card = () => page.frames()[1];

async function open({ html, theme, scheme, width, tool, can, silent }) {
  await page?.context().close();
  const view = { width, height: 900 };
  const context = await browser.newContext({ viewport: view, colorScheme: scheme ?? "light", reducedMotion: "reduce" });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  seen = { requests: [], errors: [], dialogs: [], console: [] };
  const { requests, errors, dialogs } = seen;
  page.on("dialog", (dialog) => (dialogs.push(dialog.message()), dialog.dismiss()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.console.push(message.text()));
  context.on("page", (other) => other !== page && errors.push("a window was opened"));
  await context.route("**/*", (route) => (requests.push(route.request().url()), route.abort()));
  await page.exposeFunction("callTool", (text) => {
    const id = ++called;
    say({ call: id, ...JSON.parse(text) });
    return new Promise((done) => calls.set(id, done));
  });
  await page.setContent("<!doctype html><title>host</title><style>body{margin:0}</style><body></body>");
  await page.addScriptTag({ content: script });
  const hostContext = { ...(theme && { theme }), ...(tool && { toolInfo: { tool } }) };
  await page.evaluate((given) => window.openCard(given), { html, context: hostContext, can, silent });
}

// the browser's own way evaluates text inside the card, which the card's policy forbids
async function until({ words }) {
  for (const end = Date.now() + PATIENCE_MS; !(await card().evaluate(`Boolean(${words})`)); ) {
    if (Date.now() > end) throw new Error(`not in time: ${words}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

// another frame of the same page, which can reach the card as well as the page can
async function neighbour({ message }) {
  await page.evaluate(async (given) => {
    const frame = document.createElement("iframe");
    frame.srcdoc = `<script>parent.frames[0].postMessage(${JSON.stringify(given)}, "*")</script>`;
    const loaded = new Promise((done) => (frame.onload = done));
    document.body.append(frame);
    await loaded;
  }, message);
}

async function shot({ path }) {
  const height = await card().evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ ...page.viewportSize(), height });
  await page.screenshot({ path });
}

async function check({ rules }) {
  await card().evaluate(axe);
  const run = (only) => window.axe.run(document, { runOnly: only, resultTypes: ["violations"] });
  const { violations } = await card().evaluate(run, rules);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ").slice(0, 400)}`);
}

const orders = {
  open,
  send: ({ what, params }) => page.evaluate(([name, given]) => window.bridge[name](given), [what, params]),
  post: ({ message }) => page.evaluate((given) => window.frames[0].postMessage(given, "*"), message),
  neighbour,
  evaluate: ({ words }) => card().evaluate(words),
  until,
  press: ({ name }) => card().getByRole("button", { name }).click(),
  keys: ({ keys }) => page.keyboard.press(keys),
  shot,
  check,
  heard: () => page.evaluate(() => window.heard),
  seen: () => seen,
};

say({ ready: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, order, answer, ...given } = JSON.parse(line);
  if (answer !== undefined) {
    calls.get(answer)(given.result);
    calls.delete(answer);
    continue;
  }
  Promise.resolve()
    .then(() => orders[order](given))
    .then(
      (reply) => say({ id, reply: reply ?? null }),
      (error) => say({ id, error: error.message }),
    );
}
await browser.close();
