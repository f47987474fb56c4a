import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test as anyTest, expect } from 'vitest';
import { needs } from '../needs.ts';

/** What scripts/embed.mjs makes: it ran before all tests. */
const isMade = (path: string): boolean => /\/lua-files\.ts$|\.program\.ts$/.test(path);

needs(anyTest, existsSync('.git') ? undefined : 'this is no clone')(
  'what is made of other files is committed with them',
  () => {
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=all', 'src', 'scripts'])
      .toString()
      .split('\n')
      .map((line) => line.slice(3))
      .filter((path) => path !== '');
    // It differs from what was committed though nothing else does.
    if (changed.every(isMade)) expect(changed).toEqual([]);
  },
);
