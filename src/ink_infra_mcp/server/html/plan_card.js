"use strict";
// What a change answers: a plan that waits for a person, or where its operation stands. Nothing is approved from here:
// what a card may call, some host lets its model call, too.

const HEADS = {
  approval_required: "A plan waits for a person",
  plan_drifted: "The plan is another one now",
  refused_by_policy: "Policy refuses the plan",
  not_approved: "Turned down",
  locked: "Another operation is in the way",
  already_so: "Already so",
  running: "It runs",
  applied: "Done, and proved",
  applied_unverified: "Done, but not proved",
  applied_in_part: "Done in part",
  failed: "It failed",
  undone: "It failed, and was undone",
  cancelled: "Cancelled",
};
let given = null;

// a word goes to the next line as a whole: an option is not torn at its hyphens
const wholeWord = (part) => (/^\s*$/.test(part) ? part : el("span", "word", part));

// each row of the plan is numbered beside the text: where a row is wrapped, its rest has no number
function planText(text) {
  const rows = text.split("\n");
  const made = el("pre", "plan");
  made.tabIndex = 0;
  rows.forEach((row, at) => {
    const fence = (at === 0 || at === rows.length - 1) && row.startsWith("```");
    const line = el("span", fence ? "row fence" : "row", ...row.split(/(\s+)/).map(wholeWord));
    if (at < rows.length - 1) line.append("\n");
    line.style.setProperty("--hang", `${Math.min(8, row.search(/\S|$/)) + 2}ch`);
    made.append(line);
  });
  return section("The plan", made);
}

function goOn() {
  const tool = host.toolName();
  if (!host.callsTools() || !tool || given === null) return null;
  return button("It was approved: go on", async () => {
    say("Going on…");
    const result = await host.callTool(tool, given);
    drawChange(result);
    const { outcome, operation_id: id } = fields(result.structuredContent);
    const named = ID.test(words(id)) ? ` as operation ${id}` : "";
    const known = Object.hasOwn(OUTCOMES, words(outcome)) ? plainly(outcome) : "see list_operations";
    await host.tellModel(`The person went on with ${tool} from its card${named}: ${known}.`);
  });
}

function drawChange(result) {
  followed = null;
  const receipt = fields(result.structuredContent);
  const outcome = words(receipt.outcome);
  if (!outcome) return showText("Answer", result);
  const waits = outcome === "approval_required";
  const plan = words(receipt.plan);
  const told = el("div", waits ? "notice" : "", sentence(words(receipt.message)));
  if (waits) told.append(el("p", "quiet", "This card only shows the plan. A person approves it with the command above."), goOn() ?? "");
  const ids = pairs([
    ["Operation", words(receipt.operation_id)],
    ["Approval", words(receipt.approval_id)],
    ["Plan", words(receipt.plan_digest).slice(0, 12)],
  ]);
  ids.classList.add("times");
  const body = [told, plan ? planText(plan) : null, ...receiptParts(receipt), ids];
  show(of(HEADS, outcome, plainly(outcome)), [outcomePill(outcome), ...pretend(result)], body);
  say("");
  if (outcome === "running") void follow(words(receipt.operation_id));
}

host.hear("tool-input", (params) => {
  given = fields(params.arguments);
  say("The plan is being made…");
});
host.hear("tool-result", drawChange);
host.hear("tool-cancelled", () => say("The call was cancelled. get_operation and list_operations tell what runs."));
host.begin("ink-infra-plan").catch((error) => say(words(error.message)));
