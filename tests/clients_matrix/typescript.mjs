// Drives a server over standard streams with the official TypeScript client, and prints what came of it as JSON.
// Usage: node typescript.mjs '{"era": "auto" | "legacy", "command": [...], "answer": "accept" | "decline" | null, "calls": [[tool, arguments], ...]}'
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { era, command, answer, calls } = JSON.parse(process.argv[2]);
const questions = [];
const progress = [];
const client = new Client(
  { name: "matrix", version: "1" },
  {
    capabilities: answer ? { elicitation: { form: {} } } : {},
    versionNegotiation: { mode: era },
  },
);
if (answer) {
  client.setRequestHandler("elicitation/create", async (request) => {
    questions.push(request.params.message);
    return answer === "accept" ? { action: "accept", content: {} } : { action: answer };
  });
}

const [executable, ...words] = command;
await client.connect(new StdioClientTransport({ command: executable, args: words, env: process.env }));
const { tools } = await client.listTools();
const results = [];
for (const [name, argumentsOfTool] of calls) {
  const heard = (event) => progress.push(event.message);
  results.push(await client.callTool({ name, arguments: argumentsOfTool }, { timeout: 60_000, onprogress: heard }));
}
const said = {
  protocol: client.getNegotiatedProtocolVersion(),
  tools: tools.map((tool) => tool.name),
  results,
  questions,
  progress: progress.length,
};
await client.close();
process.stdout.write(JSON.stringify(said));
