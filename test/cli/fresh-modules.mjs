// Hooks of Node's loader: modules of the projects that tests make are loaded anew in each run of a command, as in a process of its own.
/** @type {string} */
let projects;
/** @type {Int32Array} */
let run;

/** @param {{ projects: string, run: Int32Array }} data What the URLs of the projects begin with, and the number of the run. */
export function initialize(data) {
  ({ projects, run } = data);
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  if (!found.url.startsWith(projects)) return found;
  const url = new URL(found.url);
  url.searchParams.set('run', String(run[0]));
  return { ...found, url: url.href };
}
