// What the build (scripts/build.mjs) makes text of, so that the package and a bundle need no file beside them.

/** A program that runs in a thread of its own: JavaScript, together with what it imports. */
declare module 'thread:*' {
  const program: string;
  export default program;
}

/** The scripts of a folder by the names of their files, and what they include, from its folder `include`. */
declare module 'lua:*' {
  export const scripts: Readonly<Record<string, string>>;
  export const includes: Readonly<Record<string, string>>;
}

/** The files of an example of which `umbel init` makes a project: texts by their paths. */
declare module 'template:*' {
  const files: Readonly<Record<string, string>>;
  export default files;
}
