/** Text with the passwords in its URLs replaced: `redis://:**@host/0`. */
export function redacted(text: string): string {
  // Most lines have no URL; looking for one is far cheaper than the replacement.
  if (!text.includes('://')) return text;
  return text.replace(/(\b[a-z][a-z\d+.-]*:\/\/[^\s/:@"']*):[^\s/"']*@/gi, '$1:**@');
}
