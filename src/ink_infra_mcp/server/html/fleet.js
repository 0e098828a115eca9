"use strict";
// get_fleet's answer: what is wrong, then the planes with their servers.

const TITLE = "Fleet";
const PLANES = [
  ["Control plane", "factory"],
  ["Data plane", "muscle"],
  ["Other hosts", "host"],
];
const USABLE = "ssh ok, usable";

function room(server) {
  const left = Number.parseFloat(words(server.headroom));
  const whole = Number.parseFloat(words(server.memory));
  if (!Number.isFinite(left)) return null;
  const text = `Room for apps: ${words(server.headroom)} of ${words(server.memory) || "?"} GiB`;
  const bar = el("div", "bar", el("div", "fill"));
  bar.setAttribute("aria-hidden", "true");
  const part = Number.isFinite(whole) && whole > 0 ? Math.min(1, Math.max(0, left / whole)) : 0;
  bar.firstChild.style.width = `${(part * 100).toFixed(1)}%`;
  bar.classList.toggle("low", part < 0.15);
  return el("div", "room", el("p", "", text), bar);
}

const sized = (value, unit) => (words(value) ? `${words(value)} ${unit}` : "");
const known = (value) => words(value) || "?";

function serverBox(given) {
  const server = fields(given);
  const state = words(server.state);
  return el(
    "li",
    "server",
    el("div", "title", el("h3", "", known(server.name)), el("span", "address", words(server.address))),
    pill(state === USABLE ? "good" : "odd", state || "state not known"),
    room(server),
    pairs([
      ["Apps", words(server.apps)],
      ["CPU", known(server.cpus)],
      ["Memory", sized(server.memory ?? "?", "GiB")],
      ["Disk free", sized(server.disk_free ?? "?", "GiB")],
      ["Docker", known(server.docker)],
      ["gVisor", known(server.runsc)],
      ["EUR a month", known(server.eur_month)],
    ]),
  );
}

function plane([title, role], servers) {
  const mine = servers.filter((server) => words(server.role) === role);
  return mine.length ? section(title, el("ul", "servers", ...mine.map(serverBox))) : null;
}

function findings(report) {
  const found = items(report.warnings).map(words);
  if (!found.length) return section("Findings", el("p", "quiet", mark("good"), "Nothing is wrong that was looked at."));
  const list = el("ul", "findings", ...found.map((text) => el("li", "", mark("odd"), el("span", "", text))));
  return section(`Findings: ${found.length + leftOut(report.warnings)}`, list);
}

function drawFleet(result) {
  const report = fields(result.structuredContent);
  if (result.isError === true || !("servers" in report)) return showText(TITLE, result);
  const servers = items(report.servers).map(fields);
  const roles = new Set(PLANES.map(([, role]) => role));
  const other = servers.filter((server) => !roles.has(words(server.role)));
  const summary = pairs([
    ["Servers", String(servers.length + leftOut(report.servers))],
    ["Coolify", known(report.coolify)],
    ["--runtime option", known(report.runtime_option)],
    ["EUR a month (net)", known(report.eur_month)],
  ]);
  summary.classList.add("summary");
  const again = host.callsTools() ? button("Look again", look) : null;
  const rest = other.length ? section("Servers of no known role", el("ul", "servers", ...other.map(serverBox))) : null;
  const planes = PLANES.map((each) => plane(each, servers));
  show(TITLE, pretend(result), [summary, findings(report), ...planes, rest, again]);
  say(leftOut(report.servers) ? `${leftOut(report.servers)} more servers are not shown.` : "");
}

async function look() {
  say("Looking…");
  drawFleet(await host.callTool("get_fleet", {}));
}

host.hear("tool-input", () => say("The fleet is being looked at…"));
host.hear("tool-result", drawFleet);
host.hear("tool-cancelled", () => say("The call was cancelled."));
host.begin("ink-infra-fleet").catch((error) => say(words(error.message)));
