// A terminal's screen as a picture: the text of what a program wrote, with its colours, as SVG. Pure.

const colours = {
  31: '#f47067',
  32: '#57ab5a',
  33: '#c69026',
  34: '#539bf5',
  35: '#b083f0',
  36: '#39c5cf',
  90: '#768390',
};
const [ink, dim, ground] = ['#cdd9e5', '#768390', '#1c2128'];
/** Of a cell, pixels. */
const [width, height] = [8.4, 18];
const control = String.fromCharCode(27);

/** The lines on the screen, of a program that writes each line after going to its beginning. */
export function screenOf(output) {
  const lines = [];
  const [, ...parts] = output.split(new RegExp(`${control}\\[(\\d+);1H`));
  for (let at = 0; at + 1 < parts.length; at += 2)
    lines[Number(parts[at]) - 1] = parts[at + 1].replace(
      new RegExp(`${control}\\[[0-9;?]*[A-Za-ln-z]|[\r\n]`, 'g'),
      '',
    );
  return Array.from(lines, (line) => line ?? '');
}

/** The lines of a log that begin with a time; those of a stack show the paths of this machine. */
export function linesOf(output) {
  return output.split('\r\n').filter((line) => /^\[\d{4}-/.test(line));
}

/**
 * A moving picture, which begins again at its end: a log that grows, and below it a screen. Without motion (a setting of the reader's) it is its first moment.
 * @param log what is written, and when: `{ atMs, text }`; texts have the control sequences of colours (SGR) and no others
 * @param screens the screen, each time it has changed: `{ atMs, lines }`, the first at 0
 */
export function movingSvgOf({ log, logRows, screens, lastsMs, columns, title }) {
  const first = log.filter(({ atMs }) => atMs <= 0).length;
  const shown = log.slice(Math.max(0, first - logRows));
  const moves = shown.flatMap(({ atMs }, at) =>
    at < logRows ? [] : [[Math.max(0, atMs), at + 1 - logRows]],
  );
  const percent = (ms) => `${((100 * ms) / lastsMs).toFixed(2)}%`;
  const frames = moves.map(([ms, rows]) => `${percent(ms)} { transform: translateY(${-rows * height}px) }`);
  const rules = [`@keyframes log { 0% { transform: none } ${frames.join(' ')} }`];
  const rows = Math.max(...screens.map(({ lines }) => lines.length));
  const texts = [];
  for (let row = 0; row < rows; row++)
    for (const { line, from, until } of changesOf(screens, row, lastsMs)) {
      const text = lineOf(line, row + logRows + 1);
      if (from === 0 && until === lastsMs) texts.push(text);
      else {
        const name = `f${from}-${until}`;
        const rule = `@keyframes ${name} { 0% { visibility: ${from === 0 ? 'visible' : 'hidden'} } ${percent(from)} { visibility: visible } ${percent(until)} { visibility: hidden } }`;
        if (!rules.includes(rule)) rules.push(rule);
        const before = from === 0 ? '' : ' visibility="hidden"';
        texts.push(text.replace('<text', `<text${before} style="animation-name: ${name}"`));
      }
    }
  const style = `<style>text, .log { animation: ${lastsMs / 1000}s step-end infinite } .log { animation-name: log } @media (prefers-reduced-motion: reduce) { text, .log { animation: none !important } }
${rules.join('\n')}</style>`;
  const [w, h] = [Math.ceil(columns * width) + 32, (logRows + 1 + rows) * height + 32];
  const grown = shown.map(({ text }, at) => lineOf(text, at)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img">
<title>${plain(title)}</title>
${style}
<clipPath id="above"><rect x="0" y="16" width="${w}" height="${logRows * height}"/></clipPath>
<rect width="${w}" height="${h}" rx="8" fill="${ground}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="${ink}" xml:space="preserve">
<g clip-path="url(#above)"><g class="log">
${grown}
</g></g>
${texts.join('\n')}
</g>
</svg>
`;
}

/** What a row of the screen shows, one after the other. */
function changesOf(screens, row, lastsMs) {
  const changes = [];
  for (const { atMs, lines } of screens) {
    const line = lines[row] ?? '';
    const last = changes.at(-1);
    if (last?.line === line) continue;
    if (last !== undefined) last.until = atMs;
    changes.push({ line, from: atMs, until: lastsMs });
  }
  return changes;
}

function lineOf(line, at) {
  const spans = [];
  let style = plainStyle;
  let column = 0;
  for (const part of line.split(new RegExp(`(${control}\\[[0-9;]*m)`))) {
    if (part.startsWith(`${control}[`)) style = styleOf(part.slice(2, -1), style);
    else if (part.trim() === '') column += part.length;
    else {
      const start = column + (part.length - part.trimStart().length);
      const shown = part.trim().replaceAll(' ', '\u00a0'); // other spaces are drawn as one
      // The length keeps columns in line, whichever font there is.
      const place = `x="${(16 + start * width).toFixed(1)}" textLength="${(shown.length * width).toFixed(1)}"`;
      spans.push(`<tspan ${place}${attributesOf(style)}>${plain(shown)}</tspan>`);
      column += part.length;
    }
  }
  return `<text y="${16 + (at + 0.75) * height}">${spans.join('')}</text>`;
}

const plainStyle = { fill: '', bold: false, line: false };

function styleOf(codes, before) {
  let style = before;
  for (const code of codes.split(';').map(Number)) {
    if (code === 0) style = plainStyle;
    else if (code === 1) style = { ...style, bold: true };
    else if (code === 2) style = { ...style, fill: dim };
    else if (code === 4) style = { ...style, line: true };
    else if (code === 22) style = { ...style, bold: false, fill: style.fill === dim ? '' : style.fill };
    else if (code === 24) style = { ...style, line: false };
    else if (code === 39) style = { ...style, fill: '' };
    else if (colours[code]) style = { ...style, fill: colours[code] };
  }
  return style;
}

function attributesOf({ fill, bold, line }) {
  return `${bold ? ' font-weight="bold"' : ''}${line ? ' text-decoration="underline"' : ''}${fill && ` fill="${fill}"`}`;
}

function plain(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
