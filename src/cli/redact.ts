/** Text with the passwords in its URLs replaced: `redis://:**@host/0`, `?password=**`. */
export function redacted(text: string): string {
  // Most lines have no URL; looking for one is far cheaper than the replacement.
  if (!text.includes('://')) return text;
  return (
    text
      // Up to the last @ of the word: a password that was not encoded may hold one, or a slash. A port is none.
      .replace(/(\b[a-z][a-z\d+.-]*:\/\/[^\s/:@"';]*):(?!\d+(?:[/?#;]|\s|$))[^\s"';]*@/gi, '$1:**@')
      .replace(/([?&][a-z_]*(?:password|passphrase|secret|token)[a-z_]*=)[^\s&#"';]*/gi, '$1**')
  );
}
