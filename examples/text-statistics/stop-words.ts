/** Common English words that say nothing about the subject of a text. */
export const stopWords: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both
  but by can cannot could did do does doing done down during each either else every few for from further get gets had
  has have having he her here hers him his how i if in into is isn't it it's its itself just let like may me might more
  most much must my neither no nor not now of off on once one only or other our ours out over own per same shall she
  should since so some such than that that's the their theirs them then there these they this those though through thus
  to too under until up upon us use used very via was we were what when where whether which while who whose why will
  with within without would yes yet you your yours`.split(/\s+/),
);
