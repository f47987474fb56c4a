// Removes secrets before anything is shown: from text by their form, from values by their names.

const hidden = '********';

/**
 * Text without the passwords in its URLs (`redis://:**@host/0`, `?password=**`), and without keys and certificates (PEM). Takes linear
 * time.
 */
export function redacted(text: string): string {
  // Most lines have no secret; looking for one is far cheaper than the replacement.
  let shown = text;
  if (shown.includes('://'))
    shown = shown
      .replace(/[^\s"';]+/g, withoutPassword)
      .replace(/([?&][a-z_]{0,40}(?:pass|secret|token)[a-z_]{0,40}=)[^\s&#"';]*/gi, '$1**');
  if (shown.includes('-----BEGIN '))
    // The characters of its lines, as they are or as JSON writes them. A truncated one has no end.
    shown = shown.replace(/(-----BEGIN [A-Z0-9 ]{1,40}-----)[\w+/=\s\\:,.-]*/g, `$1 ${hidden}`);
  return shown;
}

/** Up to the last @ of the word, since a password that is not encoded may contain one, or a slash. A port is no password. */
function withoutPassword(word: string): string {
  const at = word.lastIndexOf('@');
  const user = at < 0 ? null : /:\/\/[^/:@]*:(?!\d{1,5}(?:[/?#]|$))/.exec(word);
  const end = user === null ? at : user.index + user[0].length;
  return end >= at ? word : `${word.slice(0, end)}**${word.slice(at)}`;
}

const noNames: ReadonlySet<string> = new Set();

/** A value without the values of members that are named like a secret or by `names`, and without passwords in URLs. */
function redactedValue(value: unknown, names: ReadonlySet<string> = noNames): unknown {
  if (typeof value === 'string') return redacted(value);
  if (Array.isArray(value)) return value.map((each) => redactedValue(each, names));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      secretInRepr.test(name) || names.has(name) ? hidden : redactedValue(member, names),
    ]),
  );
}

/** JSON, redacted like `redactedValue`. Most text has no secrets in it, and is not parsed. */
export function redactedJson(json: string, names: ReadonlySet<string> = noNames): string {
  const mayHold =
    names.size > 0 || json.includes('://') || json.includes('-----BEGIN ') || secretInRepr.test(json);
  return mayHold ? JSON.stringify(redactedValue(JSON.parse(json), names)) : json;
}

/** Whether a secret was taken out of this JSON, or it looks like that. */
export function mayBeRedacted(json: string): boolean {
  return json.includes(hidden) || /:\*\*@|=\*\*/.test(json);
}

const nameInRepr = /'([^']*)':\s*/g;
const secretInRepr = /pass(?:w(?:or)?d|phrase)|secret|token|api_?key|private_?key|authorization|credential/i;

/** The same for a Python repr; values with a secret's name, or one of these names, are hidden, too. */
export function redactedRepr(repr: string, names: ReadonlySet<string> = noNames): string {
  if (names.size === 0 && !secretInRepr.test(repr)) return redacted(repr);
  let shown = '';
  let at = 0;
  for (const { index, 0: member, 1: name = '' } of repr.matchAll(nameInRepr)) {
    if (index < at || !(secretInRepr.test(name) || names.has(name))) continue;
    const value = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,}\]]+/y;
    value.lastIndex = index + member.length;
    if (!value.test(repr)) continue;
    shown += `${repr.slice(at, index + member.length)}'${hidden}'`;
    at = value.lastIndex;
  }
  return redacted(shown + repr.slice(at));
}

/** Names of secrets, without `_`, `-` and capitals. */
const secretName =
  /pass(?:w|phrase|code|$)|secret|token|auth|cred|dsn|sas$|cookie|signature|private|certdata|keys?$|pfx|pem$/;
/** Names that only look like a secret's. */
const harmlessName = /(?:routing|partition)key$/;

/**
 * The value of a setting without its secrets. Secrets are found by their names, keys by their form. Of a driver's options (`ssl`, transport options)
 * text is shown only under names that are known to be harmless. A value that has no form in JSON becomes text, or null.
 */
export function redactedSetting(name: string, value: unknown): unknown {
  return shown(name, value, /(?:ssl|transportoptions)$/.test(plainName(name)));
}

/** Names of drivers' options whose text is harmless. */
const harmlessOption =
  /^(?:|host(?:name)?|port|path|user(?:name)?|db|database|virtualhost|vhost|servername|sslmode|mode|certreqs|cacerts|ca|cert|certfile|keyfile|cafile|minversion|maxversion|ciphers|alpnprotocols|checkhostname|mastername|(?:global)?keyprefix|prefix|schema|sep|fanoutprefix|fanoutpatterns|queueorderstrategy|failoverstrategy|clientname|applicationname|resp|polling|queuenameprefix|region|[a-z]*(?:timeout|interval|retries|size|limit|steps|policy|options))$/;

function shown(name: string, value: unknown, isDriver: boolean): unknown {
  if (value === null || value === undefined || typeof value === 'function') return null;
  const plain = plainName(name);
  if (secretName.test(plain) && !harmlessName.test(plain) && !isCount(plain, value)) return hidden;
  if (typeof value === 'string') return isDriver && !harmlessOption.test(plain) ? hidden : redacted(value);
  if (typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return hidden;
  if (Array.isArray(value)) return value.map((each) => shown(isDriver ? name : '', each, isDriver));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return redacted(String(value));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, shown(key, member, isDriver)]),
  );
}

/** True for `limit: { key: 0 }`, where `key` is no secret. */
function isCount(plain: string, value: unknown): boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && !/pass|secret|token/.test(plain));
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}
