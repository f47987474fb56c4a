// What we have to remember of a message that came back: it is written before its bytes, so that it travels with it through lists,
// also those that Python reads (to kombu it is one more member of the envelope, which it ignores), and can be taken off again exactly.

export interface Marks {
  /** The bytes as they were sent. */
  readonly raw: Buffer;
  readonly strikes: number;
  readonly parks: number;
  /** It was delivered before. */
  readonly redelivered: boolean;
}

const inEnvelope = /^\{"umbel":\[(\d+),(\d+)\],/;
const beforeBytes = /^\0umbel:\[(\d+),(\d+)\]/;
const brace = Buffer.from('{');
const longest = 40;

/** Takes the marks off. */
export function unmark(stored: Buffer): Marks {
  // Nearly always: `{"body"…` or `{"…`, without marks.
  if (stored[0] !== 0 && stored[2] !== 0x75) return { raw: stored, strikes: 0, parks: 0, redelivered: false };
  const head = stored.toString('latin1', 0, longest);
  const match = inEnvelope.exec(head) ?? beforeBytes.exec(head);
  if (match === null) return { raw: stored, strikes: 0, parks: 0, redelivered: false };
  const rest = stored.subarray(match[0].length);
  return {
    raw: match[0].startsWith('{') ? Buffer.concat([brace, rest]) : rest,
    strikes: Number(match[1]),
    parks: Number(match[2]),
    redelivered: true,
  };
}

/** Lua: `unmark(stored)` -> raw, strikes, parks; `mark(raw, strikes, parks)` -> stored. */
export const marksLua = `
local function unmark(stored)
  if string.sub(stored, 1, 10) == '{"umbel":[' then
    local s, p, rest = string.match(stored, '^{"umbel":%[(%d+),(%d+)%],(.*)$')
    if s then return '{' .. rest, tonumber(s), tonumber(p) end
  elseif string.byte(stored) == 0 then
    local s, p, rest = string.match(stored, '^%zumbel:%[(%d+),(%d+)%](.*)$')
    if s then return rest, tonumber(s), tonumber(p) end
  end
  return stored, 0, 0
end
local function mark(raw, strikes, parks)
  local marks = '[' .. strikes .. ',' .. parks .. ']'
  if string.byte(raw) == 123 then return '{"umbel":' .. marks .. ',' .. string.sub(raw, 2) end
  return '\\0umbel:' .. marks .. raw
end
`;
