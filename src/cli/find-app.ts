// Where the application is when neither -A, UMBEL_APP nor umbel.config names it.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { moduleExtensions } from '../app/load-app.ts';

const places = ['./app', './src/app'];

/** The first file of these places that uses Umbel: `./app.ts`, `./src/app.ts`. */
export function findApp(folder: string = process.cwd()): string | undefined {
  return presentIn(folder).find((file) => usesUmbel(join(folder, file)));
}

/** What was looked for in vain, as a part of an error. */
export function whatWasLookedFor(folder: string = process.cwd()): string {
  const [first, ...others] = moduleExtensions;
  const strangers = presentIn(folder);
  if (strangers.length > 0)
    return `${strangers.join(' and ')} ${strangers.length > 1 ? 'do' : 'does'} not import umbel`;
  const files = places.map((place) => `${place}${first}`).join(' or ');
  return `there is no ${files} (nor ${others.join(', ')}) in ${folder}`;
}

function presentIn(folder: string): readonly string[] {
  const files = places.flatMap((place) => moduleExtensions.map((extension) => place + extension));
  return files.filter((file) => {
    const path = join(folder, file);
    return existsSync(path) && statSync(path).isFile();
  });
}

/** Many programs have an app.js, such as a web server's: importing it would start that. */
function usesUmbel(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').includes('umbel');
  } catch {
    return false; // not readable
  }
}
