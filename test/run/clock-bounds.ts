// Finds assertions that a slow machine fails: upper bounds on elapsed time, on memory, on lateness.

/** What reads a clock or the process's memory. */
const reading =
  /\b(?:performance\.now|Date\.now|process\.(?:hrtime|memoryUsage|cpuUsage|resourceUsage))\b|\bnew Date\(\)/;
/** An upper bound, or equality with a number. */
const upper = /\.(?:toBeLessThan|toBeLessThanOrEqual|toBeCloseTo)\(|\bassert\.ok\([^;]*[^=<]<=?[^<]/;
/** Only the long run judges it. */
const guarded = /\bif \(isLong\)/;

/** The statements of a test file that judge by the clock, each with its line. */
export function clockBounds(source: string): string[] {
  const statements = statementsOf(source);
  const timed = timedNames(statements.map(({ text }) => text));
  const found: string[] = [];
  let before = '';
  for (const { text, line } of statements) {
    const judged = upper.exec(text);
    if (judged !== null && !guarded.test(text) && !guarded.test(before)) {
      const names = text.match(/[\w$]+/g) ?? [];
      const expected = expectationOf(text, judged.index);
      if (reading.test(expected) || names.some((name) => timed.has(name) && expected.includes(name)))
        found.push(`${line}: ${text.trim().replaceAll(/\s+/g, ' ').slice(0, 120)}`);
    }
    before = text;
  }
  return found;
}

/** What is judged, not what it is compared with: an eta is no measurement. */
function expectationOf(text: string, at: number): string {
  return text.startsWith('assert.ok', at) ? text.slice(at) : text.slice(0, at);
}

/** Names that hold an elapsed time: a difference of readings, or what is made of such a name. */
function timedNames(statements: readonly string[]): Set<string> {
  const timed = new Set<string>();
  for (const text of statements) {
    const [, name, value] =
      /\b(?:const|let)\s+([\w$]+)[^=]*=\s*([\s\S]*)/.exec(text) ??
      /^\s*([\w$.]+)\s*=\s*([\s\S]*)/.exec(text) ??
      [];
    if (name === undefined || value === undefined) continue;
    const isDifference = reading.test(value) && /[^-]-[^->]/.test(value);
    const isMade = [...timed].some((each) => new RegExp(`\\b${each.replaceAll('$', '\\$')}\\b`).test(value));
    if (isDifference || (isMade && /^[^(]*(?:Math\.|[-+/*])/.test(value))) timed.add(name);
  }
  // Lists of measurements: `latencies.push(performance.now() - sent)`
  for (const text of statements)
    for (const [, name] of text.matchAll(/([\w$]+)\.push\([^;]*(?:performance|Date)\.now\(\) - /g))
      if (name) timed.add(name);
  return timed;
}

interface Statement {
  readonly text: string;
  readonly line: number;
}

/** Statements as far as a check needs them: cut at semicolons and at the braces of blocks that end a line. */
function statementsOf(source: string): Statement[] {
  const found: Statement[] = [];
  let text = '';
  let first = 1;
  for (const [index, line] of source.split('\n').entries()) {
    if (text.trim() === '') first = index + 1;
    if (/^\s*(?:\/\/|\*|\/\*)/.test(line)) continue;
    text += `${line}\n`;
    if (!/[;{}]\s*$/.test(line)) continue;
    found.push({ text, line: first });
    text = '';
  }
  return found;
}
