"use strict";
// The host's side of a card: JSON-RPC over postMessage, as MCP Apps of 2026-01-26 has it. Nothing else is spoken to.

const PROTOCOL = "2026-01-26";
const ANSWER_MS = 120_000;

const host = (() => {
  const waiting = new Map();
  const heard = new Map();
  let last = 0;
  let context = {};
  let can = {};

  const post = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

  function ask(method, params) {
    const id = ++last;
    return new Promise((resolve, reject) => {
      const late = () => settle(id, "reject", new Error("The host did not answer in time."));
      waiting.set(id, { resolve, reject, timer: setTimeout(late, ANSWER_MS) });
      post({ id, method, params });
    });
  }

  function settle(id, how, value) {
    const asked = waiting.get(id);
    if (!asked) return;
    waiting.delete(id);
    clearTimeout(asked.timer);
    asked[how](value);
  }

  function take(message) {
    if ("method" in message) {
      const hear = heard.get(message.method);
      if (hear) hear(fields(message.params));
      if ("id" in message) reply(message);
    } else if ("error" in message) {
      settle(message.id, "reject", new Error(words(fields(message.error).message) || "The host refused."));
    } else {
      settle(message.id, "resolve", fields(message.result));
    }
  }

  function reply({ id, method }) {
    const known = method === "ping" || method === "ui/resource-teardown";
    post(known ? { id, result: {} } : { id, error: { code: -32601, message: "Method not found" } });
  }

  function dress(changed) {
    context = { ...context, ...changed };
    const { theme } = context;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  }

  function measure() {
    let told = 0;
    new ResizeObserver(() => {
      const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
      if (height !== told) post({ method: "ui/notifications/size-changed", params: { height } });
      told = height;
    }).observe(document.documentElement);
  }

  addEventListener("message", (event) => {
    const message = event.source === parent ? fields(event.data) : {};
    if (message.jsonrpc === "2.0") take(message);
  });
  heard.set("ui/notifications/host-context-changed", dress);

  return {
    hear: (notification, listener) => heard.set(`ui/notifications/${notification}`, listener),
    toolName: () => words(fields(fields(context.toolInfo).tool).name),
    callsTools: () => "serverTools" in can,
    callTool: (name, given) => ask("tools/call", { name, arguments: given }),
    async tellModel(text) {
      if (!("updateModelContext" in can)) return;
      await ask("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => {});
    },
    async begin(name) {
      const appInfo = { name, version: "1" };
      const appCapabilities = { availableDisplayModes: ["inline", "fullscreen"] };
      const said = await ask("ui/initialize", { protocolVersion: PROTOCOL, appInfo, appCapabilities });
      can = fields(said.hostCapabilities);
      dress(fields(said.hostContext));
      post({ method: "ui/notifications/initialized", params: {} });
      measure();
    },
  };
})();
