// A project that is compiled against the packed package, with the options that such projects have.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { entries } from './packed.ts';

/** TypeScript 5.6, which knows `node10`: it comes with "are the types wrong". */
export const typescript56: string = createRequire(
  createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json'),
)
  .resolve('@arethetypeswrong/core')
  .replace(/(.*node_modules).*/, '$1/@arethetypeswrong/core/node_modules/typescript/bin/tsc');

export interface Setup {
  /** The path of tsc. */
  readonly tsc: string;
  readonly module: string;
  readonly moduleResolution: string;
  /** Whether the package is one of ES modules. */
  readonly esm: boolean;
  /** What is imported; default: everything, and a program that uses some of it. */
  readonly imports?: readonly string[];
}

// `umbel/otel` is for those who have OpenTelemetry, and its types.
export const compiled: readonly string[] = entries.filter((entry) => entry !== 'umbel/otel');

/**
 * Compiles in this folder, without `skipLibCheck`, for es2022 and without `@types/node`: nothing that the declarations need may be missing.
 * @returns what the compiler says; '' if it is content. The JavaScript is `main.js` in the folder.
 */
export function compile(
  folder: string,
  { tsc, module, moduleResolution, esm, imports = compiled }: Setup,
): string {
  const compilerOptions = {
    target: 'es2022',
    strict: true,
    skipLibCheck: false,
    types: [],
    module,
    moduleResolution,
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: esm ? 'module' : 'commonjs' }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
  const doors = imports.map((entry, at) => `import * as e${at} from '${entry}';\nvoid e${at};\n`);
  writeFileSync(join(folder, 'main.ts'), `${imports === compiled ? program : ''}${doors.join('')}`);
  return spawnSync(process.execPath, [tsc, '-p', '.'], { cwd: folder, encoding: 'utf8' }).stdout;
}

const program = `import { App, chain } from 'umbel';
import { drain } from 'umbel/testing';

declare const console: { log(text: unknown): void };
const app = new App('shop', { broker: 'memory://' });
const add = app.task('shop.add', (x: number, y: number) => x + y);
// @ts-expect-error a task knows the types of its arguments, so the declarations were found
void add.s(1, '2');

async function main(): Promise<void> {
  const sent = await chain(add.s(1, 2), add.s(3)).delay();
  await drain(app);
  const sum: number = await sent.get();
  console.log(sum);
  await app.close();
}
void main();
`;
