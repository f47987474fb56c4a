// What the build (scripts/build.mjs) makes text of, so that the package and a bundle need no file beside them.

/** A program that runs in a thread of its own: JavaScript, together with what it imports. */
declare module 'thread:*' {
  const program: string;
  export default program;
}

/** A script for Redis. */
declare module 'lua:*.lua' {
  const file: { readonly name: string; readonly text: string };
  export default file;
}

/** What such scripts include: texts by the names of their files. */
declare module 'lua:*/include' {
  const files: Readonly<Record<string, string>>;
  export default files;
}

/** The files of an example of which `umbel init` makes a project: texts by their paths. */
declare module 'template:*' {
  const files: Readonly<Record<string, string>>;
  export default files;
}
