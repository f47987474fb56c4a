// What we have to remember of a message that came back: it is written before its bytes, so that it travels with it through lists,
// also those that Python reads (to kombu it is one more member of the envelope, which it ignores), and can be taken off again exactly.

export interface Marks {
  /** The bytes as they were sent. */
  readonly raw: Buffer;
  readonly strikes: number;
  readonly parks: number;
  /** It was delivered before. */
  readonly redelivered: boolean;
  /** It was put aside until its time, and no more (see `Delivery.isTold`). */
  readonly told: boolean;
}

const inEnvelope = /^\{"umbel":\[(\d+),(\d+)(,1)?\],/;
const beforeBytes = /^\0umbel:\[(\d+),(\d+)\]/;
const brace = Buffer.from('{');
const longest = 40;

const unmarked = { strikes: 0, parks: 0, redelivered: false, told: false } as const;

/** Takes the marks off. */
export function unmark(stored: Buffer): Marks {
  // Nearly always: `{"body"…` or `{"…`, without marks.
  if (stored[0] !== 0 && stored[2] !== 0x75) return { ...unmarked, raw: stored };
  const head = stored.toString('latin1', 0, longest);
  const match = inEnvelope.exec(head) ?? beforeBytes.exec(head);
  if (match === null) return { ...unmarked, raw: stored };
  const rest = stored.subarray(match[0].length);
  return {
    raw: match[0].startsWith('{') ? Buffer.concat([brace, rest]) : rest,
    strikes: Number(match[1]),
    parks: Number(match[2]),
    redelivered: match[3] === undefined,
    told: match[3] !== undefined,
  };
}

/** Lua: `unmark(stored)` -> raw, strikes, parks; `mark(raw, strikes, parks)` -> stored; `mark_told(stored)`, of one without marks. */
export const marksLua = `
local function unmark(stored)
  if string.sub(stored, 1, 10) == '{"umbel":[' then
    local s, p, rest = string.match(stored, '^{"umbel":%[(%d+),(%d+)[,1]*%],(.*)$')
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
local function mark_told(raw)
  if string.byte(raw) ~= 123 or string.sub(raw, 1, 10) == '{"umbel":[' then return raw end
  return '{"umbel":[0,0,1],' .. string.sub(raw, 2)
end
`;
