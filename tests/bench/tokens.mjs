// Prints how many o200k tokens each line of standard input has.
import { createInterface } from "node:readline";
import { getEncoding } from "js-tiktoken";

const encoding = getEncoding("o200k_base");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(encoding.encode(line).length);
}
