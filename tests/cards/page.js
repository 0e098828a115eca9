// The page of a small host: the official bridge of MCP Apps on one side of a frame, the card on the other.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

// what a host must use where a card declares no domain (specification of 2026-01-26, "Host Behavior")
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; media-src 'self' data:; connect-src 'none'";

window.openCard = async ({ html, context, can, silent }) => {
  const frame = document.createElement("iframe");
  frame.title = "card";
  frame.sandbox = "allow-scripts";
  frame.style.cssText = "width:100%;height:200px;border:0;display:block";
  document.body.replaceChildren(frame);
  const policy = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  frame.srcdoc = html.replace("<head>", `<head>${policy}`);
  if (silent) return new Promise((loaded) => (frame.onload = loaded)).then(() => {});
  const bridge = new AppBridge(null, { name: "test-host", version: "1" }, can, { hostContext: context });
  window.bridge = bridge;
  window.heard = [];
  const ready = new Promise((resolve) => (bridge.oninitialized = resolve));
  bridge.onsizechange = ({ width, height }) => {
    window.heard.push(["size", width ?? null]);
    frame.style.height = `${height}px`;
  };
  bridge.oncalltool = (params) => window.callTool(JSON.stringify(params));
  bridge.onupdatemodelcontext = async (params) => {
    window.heard.push(["model", params.content]);
    return {};
  };
  bridge.onmessage = async (params) => {
    window.heard.push(["message", params]);
    return {};
  };
  bridge.onopenlink = async (params) => {
    window.heard.push(["link", params]);
    return {};
  };
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await ready;
};
