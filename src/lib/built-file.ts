// The URLs of the package's own files.

/**
 * The URL of a file of `dist/`, or null: a bundler to CommonJS does not keep the URL of a module.
 * In a user's bundle it names a file that does not exist.
 */
export function builtFile(path: string): URL | null {
  // The build puts this module, as all modules that several entry points share, into a file of dist/chunks/.
  const here: string | undefined = import.meta.url;
  return here ? new URL(`../${path}`, here) : null;
}
