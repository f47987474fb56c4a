/** How long one blocking read blocks, seconds; also how soon a dead connection is noticed. */
export const blockSeconds = 5;
const graceMs = 3000;

/** After this time the blocking read of a client that vanished has ended for certain, milliseconds. */
export const maxReadMs: number = blockSeconds * 1000 + graceMs;
