/** Owners that died holding a message before it is suspected of having killed them. */
export const suspectAfter = 2;

/**
 * Whether a message may be what killed its owners. Of suspects a consumer holds one at a time: the killer and those
 * who only stood beside it are parted, and only the killer gathers more strikes.
 */
export function isSuspect(strikes: number): boolean {
  return strikes >= suspectAfter;
}
