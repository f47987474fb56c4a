// The containers that `umbel init` describes, run without Docker: what its files say, as the user they name, each program the first
// process of its namespaces.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { App } from '../../src/app/app.ts';
import { childOf } from '../child-of.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { patience } from '../until.ts';
import { Program, project, umbel } from './harness.ts';

/** `node` of the official images. */
const user = ['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups'] as const;
/** A container's: processes, mounts, the network. */
const namespaces = ['unshare', '-pfmn', '--mount-proc', '--kill-child'] as const;

const noContainers: string | undefined = missing();

function missing(): string | undefined {
  const [program, ...args] = [...namespaces, ...user, process.execPath, '-p', 'process.pid'];
  const { status, stdout } = spawnSync(program, args, { cwd: '/', encoding: 'utf8' });
  if (status !== 0 || stdout.trim() !== '1')
    return 'needs root, unshare and setpriv, for namespaces as containers have';
  const [read, ...rest] = [...user, 'test', '-r', join(root, 'dist/cli/main.js')];
  return spawnSync(read, rest).status === 0
    ? undefined
    : 'needs a folder of this repository that every user may read';
}

/** The image that the Dockerfile of this folder describes; its `npm install` has been done. */
class Image {
  readonly folder: string;
  readonly command: readonly string[];

  constructor(folder: string) {
    this.folder = folder;
    const lines = readFileSync(join(folder, 'Dockerfile'), 'utf8').split('\n');
    const said = (word: string): readonly string[] =>
      lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
    expect(said('WORKDIR')).toEqual(['/app']);
    expect(said('USER')).toEqual(['node']);
    expect(lines.findIndex((line) => line.startsWith('USER'))).toBe(
      lines.findLastIndex((line) => /^(RUN|COPY|USER)/.test(line)),
    );
    for (const run of said('RUN').filter((each) => !each.startsWith('npm install')))
      execFileSync('sh', ['-ec', run.replaceAll('node:node', '1000:1000')], { cwd: folder });
    this.command = JSON.parse(said('CMD')[0] ?? 'null');
  }

  /** A new named volume at this path of the image: it gets the owner of what it covers, as Docker does it. */
  volume(at: string): readonly [volume: string, at: string] {
    const covered = join(this.folder, at);
    const volume = join(this.folder, 'volume');
    mkdirSync(volume);
    if (existsSync(covered)) chownSync(volume, statSync(covered).uid, statSync(covered).gid);
    else mkdirSync(covered);
    return [volume, covered];
  }

  run(command: readonly string[], [volume, at]: readonly [string, string]): Container {
    // Its own folder for temporary files, as a container has: that of the run belongs to another user.
    const script = 'mount --bind "$1" "$2" && shift 2 && unset TMPDIR && exec "$@"';
    return new Container(
      new Program(
        ['-e', inFolder, ...namespaces, 'sh', '-ec', script, 'sh', volume, at, ...user, ...command],
        this.folder,
      ),
    );
  }
}

/** Node starts what a test runs; this takes its place. */
const inFolder = `
const { spawn } = require('node:child_process');
const [program, ...args] = process.argv.slice(1);
const child = spawn(program, args, { stdio: 'inherit' });
child.on('exit', (code, signal) => process.exit(signal === null ? code : 128));
`;

class Container {
  readonly program: Program;

  constructor(program: Program) {
    this.program = program;
    onTestFinished(() => {
      const first = this.#first();
      if (first !== null) process.kill(first, 'SIGKILL');
    });
  }

  /** `docker stop`, with all the time it takes. */
  stop(): void {
    const first = this.#first();
    if (first === null) throw new Error('the container is gone');
    process.kill(first, 'SIGTERM');
  }

  /** Its first process: the child of unshare, which is the child of what started it. */
  #first(): number | null {
    const unshare = childOf(this.program.child.pid);
    return unshare === null ? null : childOf(unshare);
  }
}

needs(describe, noContainers)('the containers of a new project', () => {
  test('start as the user they name; what runs is finished before the worker ends by docker stop', async () => {
    const home = project({});
    chmodSync(home, 0o755);
    await umbel(home, ['init', 'shop']);
    const folder = join(home, 'shop');
    mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
    symlinkSync(root, join(folder, 'node_modules/umbel'), 'dir');
    symlinkSync('../umbel/dist/cli/main.js', join(folder, 'node_modules/.bin/umbel'));
    const app = join(folder, 'src/app.ts');
    writeFileSync(
      app,
      `${readFileSync(app, 'utf8')}
import { existsSync } from 'node:fs';
app.task('shop.wait', async () => {
  console.log('it waits');
  while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 20));
  return 'done';
});
`,
    );
    const { services } = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'));
    const [source, at] = services.worker.volumes[0].split(':/app/');
    expect(source).toBe('store');
    const image = new Image(folder);
    const volume = image.volume(at);

    const worker = image.run(services.worker.command ?? image.command, volume);
    await worker.program.said(/ready: takes/);
    await using client = new App('client', { broker: `sqlite://${join(volume[0], 'store.db')}` });
    const result = await client.send('shop.wait', []);
    await worker.program.said(/it waits/);
    worker.stop();
    await worker.program.said(/warm shutdown/);
    writeFileSync(join(folder, 'go'), '');
    expect(await worker.program.ended).toMatchObject({ code: 0 });
    expect(await result.get(patience)).toBe('done');

    const beat = image.run(services.beat.command, volume);
    await beat.program.said(/beat ready/);
    beat.stop();
    expect(await beat.program.ended).toMatchObject({ code: 0 });
  });

  test('end by a signal also while they start', async () => {
    const home = project({
      'app.js': 'console.log("loads"); await new Promise(() => setInterval(() => {}, 1e6));',
    });
    chmodSync(home, 0o755);
    const first = new Container(
      new Program(
        [
          '-e',
          inFolder,
          ...namespaces,
          process.execPath,
          join(root, 'dist/cli/main.js'),
          '-A',
          './app.js',
          'dead',
          'list',
        ],
        home,
      ),
    );
    await first.program.said(/loads/);
    first.stop();
    expect(await first.program.ended).toMatchObject({ code: 143 });
  });
});
