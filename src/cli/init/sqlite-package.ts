/** What a project needs on a Node without SQLite (before 22.13) for the embedded store, and for the history beside another broker. */
export const sqlite: Readonly<Record<string, string>> = { '@photostructure/sqlite': '^1.2.1' };
