// Calls one tool with the official client of MCP Tasks, which takes a task where the server gives one, and prints what came of it as JSON.
// Usage: node tasks.mjs '{"era": "auto" | "legacy", "command": [...], "answer": "accept" | "decline", "call": [tool, arguments]}'
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createTaskSessionFromClient, toolDeclarationFromMcpTool } from "@modelcontextprotocol/ext-tasks/client";

const { era, command, answer, call } = JSON.parse(process.argv[2]);
const EXTENSION = "io.modelcontextprotocol/tasks";
const clientInfo = { name: "tasks", version: "1" };
const capabilities = { elicitation: { form: {} }, extensions: { [EXTENSION]: {} } };
const questions = [];
const statuses = [];
const reply = (params) => {
  questions.push(params.message);
  return answer === "accept" ? { action: "accept", content: {} } : { action: answer };
};

const [executable, ...words] = command;
const transport = new StdioClientTransport({ command: executable, args: words, env: process.env });
const client = new Client(clientInfo, { capabilities, versionNegotiation: { mode: era } });
await client.connect(transport);
const { tools } = await client.listTools();

// the SDK's client takes no task for an answer: what the library sends goes round it, over the same connection
const waiting = new Map();
const usual = transport.onmessage;
transport.onmessage = (message, extra) => {
  const resolve = waiting.get(message.id);
  return resolve && !message.method ? resolve(message) : usual?.(message, extra);
};
const rawDispatch = async (request) => {
  const id = `raw-${waiting.size}`;
  const response = new Promise((resolve) => waiting.set(id, resolve));
  await transport.send({ ...request, jsonrpc: "2.0", id });
  return { ...(await response), id: request.id };
};
const modern = client.getNegotiatedProtocolVersion() === "2026-07-28";
const framing = { protocolVersion: "2026-07-28", clientInfo, clientCapabilities: capabilities };
const declarations = new Map(tools.map((tool) => [tool.name, toolDeclarationFromMcpTool(tool)]));
const session = createTaskSessionFromClient(client, {
  endpointId: "ink",
  tools: { currentTool: (name) => declarations.get(name) },
  onInputRequest: async (request) => reply(request.params),
  ...(modern ? { rawDispatch, v2RequestFraming: framing } : {}),
});
const [name, argumentsOfTool] = call;
const execution = await session.callTool(name, argumentsOfTool, { task: { preference: "prefer" } });
const onEvent = (event) => {
  if (event.type === "task") statuses.push(event.task.status);
};
const { outcome } = await execution.settle({ onEvent });
const said = {
  protocol: client.getNegotiatedProtocolVersion(),
  kind: execution.kind,
  task: execution.handle?.taskId ?? null,
  support: declarations.get(name).taskSupport ?? null,
  status: outcome.status,
  result: outcome.result ?? null,
  statuses,
  questions,
};
await session.close();
await client.close();
process.stdout.write(JSON.stringify(said));
