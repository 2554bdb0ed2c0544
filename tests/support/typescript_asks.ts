// Asks what standard input says, one line each, and prints what came back: {"url", "headers", "options", "calls": [[method, …arguments]]}.

import { MemoryClient, bearer } from "../../client/typescript/vector_memory.ts";

let text = "";
for await (const piece of process.stdin) text += piece;
const { url, headers, token, options, calls } = JSON.parse(text);
const pauses: number[] = [];
const pause = async (milliseconds: number) => void pauses.push(milliseconds);
const outcomes = [];
for (const [method, ...given] of calls) {
  try {
    const client = new MemoryClient(url, { headers: token ? bearer(() => token) : () => headers, pause, ...options });
    outcomes.push({ answer: await (client as any)[method](...given) });
  } catch (error: any) {
    outcomes.push({ error: error.name, message: error.message, code: error.code, status: error.status, hint: error.hint });
  }
}
console.log(JSON.stringify({ outcomes, pauses }));
