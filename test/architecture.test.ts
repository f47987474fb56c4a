import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { expect, test } from 'vitest';

/** Which rooms of src/ each room may import. This table is the architecture; change it on purpose. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  protocol: ['lib'],
  schedules: ['lib'],
  canvas: ['protocol', 'lib'],
  clients: ['lib'],
  limits: ['clients', 'lib'],
  transports: ['clients', 'limits', 'protocol', 'lib'],
  results: ['clients', 'limits', 'transports', 'protocol', 'lib'],
  app: ['canvas', 'schedules', 'results', 'transports', 'protocol', 'lib'],
  beat: ['app', 'schedules', 'canvas', 'clients', 'protocol', 'lib'],
  events: ['app', 'transports', 'protocol', 'lib'],
  control: ['app', 'events', 'transports', 'protocol', 'lib'],
  worker: ['app', 'canvas', 'events', 'limits', 'results', 'transports', 'protocol', 'lib'],
  testing: ['app', 'worker', 'transports', 'results', 'protocol', 'clients', 'lib'],
  gateway: ['app', 'results', 'protocol', 'lib'],
  cli: [
    'app',
    'control',
    'events',
    'worker',
    'beat',
    'schedules',
    'gateway',
    'transports',
    'results',
    'protocol',
    'clients',
    'lib',
  ],
};

const rooms = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
const files = (room: string): string[] =>
  (readdirSync(join('src', room), { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', room, file));
const imports = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] ?? '');

test('every room has its line in the table', () => {
  expect(rooms.map((room) => room.name).sort()).toEqual(Object.keys(mayImport).sort());
});

for (const [room, allowed] of Object.entries(mayImport)) {
  test(`${room}/ imports only ${allowed.join(', ') || 'nothing'}`, () => {
    const strays = files(room).flatMap((file) =>
      imports(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => relative('src', join(file, '..', target)).split(sep)[0] ?? '')
        .filter((target) => target !== room && target !== 'errors.ts' && !allowed.includes(target))
        .map((target) => `${file} -> ${target}`),
    );
    expect(strays).toEqual([]);
  });
}

test('only clients/ opens databases and brokers', () => {
  const drivers = /^(?:@photostructure\/sqlite|node:sqlite|@redis\/client|amqplib|pg)$/;
  const strays = rooms
    .filter((room) => room.name !== 'clients')
    .flatMap((room) =>
      files(room.name).flatMap((file) => imports(file).filter((target) => drivers.test(target))),
    );
  expect(strays).toEqual([]);
});

/** Doors of the package that gather names of several files. */
const doors = ['src/testing/testing.ts', 'src/protocol/protocol.ts', 'src/events/events.ts'].map((file) =>
  join(file),
);

test('only src/index.ts and doors re-export', () => {
  const barrels = rooms
    .flatMap((room) => files(room.name))
    .filter((file) => !doors.includes(file))
    .filter((file) => /^export (?:type )?(?:\*|\{[^}]*\}) from/m.test(readFileSync(file, 'utf8')));
  expect(barrels).toEqual([]);
});
