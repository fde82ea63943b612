// Shared by the scripts for Node: packages, which lie outside the clone, and assertions.
import { createRequire } from "node:module";

/** Loads a package of the tests' clients. */
export const load = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);

/** Ends the program with a message unless something holds. */
export function expect(holds, what) {
  if (!holds) throw new Error(what);
}

/** The texts of a tool's result. */
export const textOf = (result) => (result.content ?? []).map((block) => block.text ?? "").join("\n");

/** Runs a script's body with its plan, the JSON text it was given, and prints what it returns. */
export async function run(body) {
  try {
    console.log(JSON.stringify(await body(JSON.parse(process.argv[2]))));
    process.exit(0);
  } catch (fault) {
    console.error(fault instanceof Error ? `${fault.message}\n${fault.stack}` : fault);
    process.exit(1);
  }
}
