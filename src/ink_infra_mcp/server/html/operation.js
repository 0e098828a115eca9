"use strict";
// An operation, step by step: of get_operation, or of the receipt of a change. It is followed by calling get_operation.

const STATES = {
  done: "good",
  failed: "bad",
  undone: "odd",
  "not begun": "plain",
  running: "wait",
  unknown: "odd",
};
const OUTCOMES = {
  applied: "good",
  already_so: "good",
  running: "wait",
  approval_required: "odd",
  plan_drifted: "odd",
  not_approved: "plain",
  cancelled: "plain",
};
const CHECKS = { passed: "good", failed: "bad" };
const ID = /^op-[a-z0-9]{4,40}$/;
const LOOKS = 120;
const FIRST_MS = 1_500;
const SLOWEST_MS = 10_000;

const plainly = (outcome) => outcome.replaceAll("_", " ");
const outcomePill = (outcome) => pill(of(OUTCOMES, outcome, "bad"), plainly(outcome));

function stepsList(steps) {
  if (!items(steps).length) return null;
  const rows = items(steps).map((given) => {
    const step = fields(given);
    const state = words(step.state);
    const kind = of(STATES, state, "odd");
    return el("li", kind, mark(kind), el("span", "what", words(step.summary)), el("span", "state", state));
  });
  return section("Steps", el("ol", "steps", ...rows));
}

function checksList(checks) {
  if (!items(checks).length) return null;
  const rows = items(checks).map((given) => {
    const check = fields(given);
    const kind = of(CHECKS, words(check.status), "odd");
    const said = el("span", "what", words(check.name), el("span", "evidence", words(check.evidence)));
    return el("li", kind, mark(kind), said, el("span", "state", words(check.status)));
  });
  return section("Proofs", el("ul", "steps", ...rows));
}

function resultFacts(result) {
  const rows = Object.entries(fields(result)).slice(0, MOST);
  if (!rows.length) return null;
  const brief = (value) => words(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  return section("Result", pairs(rows.map(([name, value]) => [words(name), brief(value) || "(empty)"])));
}

function problemPart(given) {
  const problem = fields(given);
  if (!words(problem.message)) return null;
  const parts = [sentence(words(problem.message))];
  if (words(problem.stage)) parts.unshift(el("p", "quiet", `At: ${words(problem.stage)}`));
  if (words(problem.probable_cause)) parts.push(el("p", "", `Probable cause: ${words(problem.probable_cause)}`));
  const log = items(problem.untrusted_log).map(words).join("\n");
  if (log) parts.push(foreign("Log lines: text of others, as it was written", log));
  const made = section("What went wrong", ...parts);
  made.className = "problem";
  return made;
}

function auditPart(log) {
  const lines = items(log).map(words);
  if (!lines.length) return null;
  const made = el("details", "", el("summary", "", `Audit: ${many(lines.length, "line")}`));
  made.append(el("ul", "log", ...lines.map((line) => el("li", "", line))));
  return made;
}

const receiptParts = (receipt) => [
  problemPart(receipt.problem),
  stepsList(receipt.steps),
  checksList(receipt.checks),
  resultFacts(receipt.result),
];

function drawOperation(result) {
  const report = fields(result.structuredContent);
  if (!ID.test(words(report.id))) return showText("Operation", result);
  const receipt = fields(report.receipt);
  const state = words(report.state);
  const times = pairs([
    ["Operation", words(report.id)],
    ["For", words(report.principal)],
    ["Approved through", words(report.approved_by)],
    ["Began", words(report.began)],
    ["Ended", words(report.ended)],
  ]);
  times.classList.add("times");
  const [problem, , checks, facts] = receiptParts(receipt);
  const message = words(receipt.message) ? sentence(words(receipt.message)) : null;
  const body = [message, problem, stepsList(report.steps), checks, facts, times, auditPart(report.log)];
  show(`${words(report.tool)} ${words(report.target)}`.trim(), [outcomePill(state), ...pretend(result)], body);
  say(state === "running" ? `Running: ${words(report.now) || "starting"}` : `Ended: ${plainly(state)}`);
  return state === "running" ? words(report.id) : "";
}

let followed = null;

// a number of looks with growing pauses, then a button: a card that nobody watches comes to rest
async function follow(id) {
  if (!ID.test(id) || followed?.id === id) return;
  if (!host.callsTools()) return say(`This host lets no card look by itself: ask for get_operation ${id}.`);
  const mine = { id };
  followed = mine;
  try {
    await lookUntilEnded(mine);
  } catch (error) {
    if (followed === mine) rest(id, `It could not be followed: ${words(error.message)}`);
  } finally {
    if (followed === mine) followed = null;
  }
}

// what the host passes on later is what the card shows: an earlier operation is drawn over it no more
async function lookUntilEnded(mine) {
  const { id } = mine;
  for (let look = 0, pause = FIRST_MS; look < LOOKS; look += 1, pause = Math.min(SLOWEST_MS, pause * 1.3)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (followed !== mine) return;
    const result = await host.callTool("get_operation", { operation: id });
    if (followed !== mine) return;
    if (result.isError === true) throw new Error(textOf(result) || "get_operation failed");
    if (!drawOperation(result)) return;
  }
  rest(id, "It still runs. This card has stopped looking.");
}

function rest(id, text) {
  say(text);
  document.getElementById("body").append(button("Look again", () => void follow(id)));
}
