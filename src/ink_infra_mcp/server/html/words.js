"use strict";
// What comes in is data of whatever shape. It becomes text in elements that are named here, and never markup.

const LONGEST = 20_000;
const MOST = 500;

const fields = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const items = (value) => (Array.isArray(value) ? value.slice(0, MOST) : []);
const leftOut = (value) => (Array.isArray(value) ? Math.max(0, value.length - MOST) : 0);

function words(value) {
  const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

function el(tag, className, ...parts) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...parts.filter((part) => part !== null && part !== ""));
  return made;
}

// a name from outside may be one that every object has
const of = (table, name, otherwise) => (Object.hasOwn(table, name) ? table[name] : otherwise);
const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;

let sections = 0;
function section(title, ...parts) {
  const head = el("h2", "", title);
  head.id = `section-${++sections}`;
  const made = el("section", "", head, ...parts);
  made.setAttribute("aria-labelledby", head.id);
  return made;
}

// what is in backquotes is a command
function sentence(text) {
  const made = el("p", "message");
  text.split(/`([^`]+)`/).forEach((part, at) => made.append(at % 2 ? el("code", "", part) : part));
  return made;
}

const MARKS = { good: "✓", bad: "✕", wait: "●", plain: "○", odd: "!" };
function mark(kind) {
  const made = el("span", `mark ${kind}`, MARKS[kind]);
  made.setAttribute("aria-hidden", "true");
  return made;
}

const pill = (kind, text) => el("span", `pill ${kind}`, mark(kind), text);

function pairs(rows) {
  const shown = rows.filter(([, value]) => value !== "");
  return el("dl", "facts", ...shown.map(([name, value]) => el("div", "", el("dt", "", name), el("dd", "", value))));
}

function foreign(title, text) {
  const made = el("figure", "foreign", el("figcaption", "", title), el("pre", "", text));
  made.lastChild.tabIndex = 0;
  return made;
}

function button(title, press) {
  const made = el("button", "", title);
  made.type = "button";
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await press();
    } catch (error) {
      say(`${title}: ${words(error.message)}`);
    }
    made.disabled = false;
  });
  return made;
}

const SANDBOX = "[sandbox: ";
const textOf = (result) =>
  items(result.content)
    .map(fields)
    .filter((part) => part.type === "text")
    .map((part) => words(part.text))
    .join("\n");
const isPretend = (result) => textOf(result).startsWith(SANDBOX) || fields(result.structuredContent).sandbox === true;

// the line that is read out when it changes
function say(text) {
  const line = document.getElementById("status");
  if (line.textContent !== text) line.textContent = text;
}

function show(title, badges, parts) {
  const heading = el("h1", "", title);
  document.getElementById("head").replaceChildren(heading, el("p", "badges", ...badges));
  document.getElementById("body").replaceChildren(...parts.filter(Boolean));
}

// an answer without data: an error, or a host that passes on nothing but the text
function showText(title, result) {
  const text = textOf(result);
  const badges = result.isError === true ? [pill("bad", "error")] : [];
  show(title, badges, [text ? el("p", "message plain", text) : null]);
  say(text ? "" : "The answer has nothing to show.");
}

const pretend = (result) => (isPretend(result) ? [pill("odd", "sandbox: a pretend world")] : []);
