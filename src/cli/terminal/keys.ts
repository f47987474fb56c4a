// What was typed, from the bytes that a terminal sends.

/** A letter as it is, or the name of a key: `up`, `down`, `pageup`, `pagedown`, `home`, `end`, `enter`, `escape`, `backspace`, `ctrl-c` … */
export type Key = string;

// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal sends begins with it
const escapeSequence = /^\x1b(O[A-Z]|\[[0-9;]*[A-Za-z~])/;

const escapes: Readonly<Record<string, Key>> = {
  '[A': 'up',
  '[B': 'down',
  '[C': 'right',
  '[D': 'left',
  OA: 'up',
  OB: 'down',
  OC: 'right',
  OD: 'left',
  '[5~': 'pageup',
  '[6~': 'pagedown',
  '[H': 'home',
  '[F': 'end',
  OH: 'home',
  OF: 'end',
  '[1~': 'home',
  '[4~': 'end',
  '[3~': 'delete',
};

const single: Readonly<Record<string, Key>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x1b': 'escape',
  '\t': 'tab',
};

/** The keys of one read, in their order. What is no key is left out. */
export function keysOf(typed: string): readonly Key[] {
  const keys: Key[] = [];
  let rest = typed;
  while (rest !== '') {
    const found = escapeSequence.exec(rest);
    if (found !== null) {
      const key = escapes[found[1] ?? ''];
      if (key !== undefined) keys.push(key);
      rest = rest.slice(found[0].length);
      continue;
    }
    const [sign = ''] = rest;
    rest = rest.slice(sign.length);
    const key = single[sign] ?? (sign < ' ' ? controlKey(sign) : sign);
    keys.push(key);
  }
  return keys;
}

function controlKey(sign: string): Key {
  return `ctrl-${String.fromCharCode(sign.charCodeAt(0) + 0x60)}`;
}
