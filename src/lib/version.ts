// Written by `npm version`: read from package.json at run time it would be missing where the package is bundled into one file.

/** The version of this package. */
export const version: string = '0.1.0';
