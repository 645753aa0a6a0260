// Parses each line of standard input as JSON and prints it again.

import { readFileSync } from "node:fs";

const lines = readFileSync(0, "utf8").split("\n"); // U+2028 ends no line here
console.log(lines.map((line) => JSON.stringify(JSON.parse(line))).join("\n"));
