// Where the package's own files lie.

/**
 * The URL of a file of `dist/`, or null where there is none to be named: a bundler of CommonJS leaves out where a module comes from.
 * In a user's bundle it names a file that does not exist.
 */
export function builtFile(path: string): URL | null {
  // The build puts this module, like all that several entry points share, into a file of dist/chunks/.
  const here: string | undefined = import.meta.url;
  return here ? new URL(`../${path}`, here) : null;
}
