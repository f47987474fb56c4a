// The types of what tests use of setup.mjs.

/** The repository's folder. */
export const root: string;

/** `npm ci` in `folder` when its node_modules is missing or is not what package-lock.json says. */
export function install(folder: string): Promise<void>;

/** The path of a program that comes with an installed package. @throws Error if the package has no such command */
export function bin(packageName: string, command: string): string;
