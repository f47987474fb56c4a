// What a task can be, for pages and server; in the order in which it is shown.
export const statuses = ['todo', 'doing', 'done'] as const;
export const priorities = ['low', 'normal', 'high', 'urgent'] as const;
export const formats = ['json', 'csv'] as const;
export type Status = (typeof statuses)[number];
export type Priority = (typeof priorities)[number];
export type Format = (typeof formats)[number];
