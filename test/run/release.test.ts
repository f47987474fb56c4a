// A release, as scripts/release.mjs makes it, on texts; the dry run of the gate tries it on the repository.
import { expect, test } from 'vitest';
import { nextVersion, obstacles, releasedChangelog } from '../../scripts/release.mjs';

test.each([
  ['0.1.0', 'patch', '0.1.1'],
  ['0.1.3', 'minor', '0.2.0'],
  ['0.1.3', 'major', '1.0.0'],
  ['0.1.3', '0.1.4', '0.1.4'],
  ['0.1.3', '0.1.3', undefined],
  ['0.10.0', '0.9.9', undefined],
  ['0.1.3', 'v0.2.0', undefined],
])('after %s, %s is %s', (now, asked, next) => {
  expect(nextVersion(now, asked)).toBe(next);
});

test('what is unreleased comes under the version, above the releases before it', () => {
  const text = '# Changelog\n\n## Unreleased\n\n### Added\n\n- A.\n\n## 0.1.0 (2026-01-01)\n\n- B.\n';
  const next =
    '# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-02-03)\n\n### Added\n\n- A.\n\n## 0.1.0 (2026-01-01)\n\n- B.\n';
  expect(releasedChangelog(text, '0.2.0', '2026-02-03')).toBe(next);
  expect(releasedChangelog('## Unreleased\n\n- A.\n', '0.1.0', 'now')).toBe(
    '## Unreleased\n\n## 0.1.0 (now)\n\n- A.\n',
  );
  expect(releasedChangelog(next, '0.3.0', '2026-02-03')).toBeUndefined();
});

test('what stands against a release is said all at once; without its addresses the package is not published', () => {
  const sound = {
    manifest: { name: 'umbel', version: '0.1.0', repository: 'r', homepage: 'h', bugs: 'b' },
    lock: { version: '0.1.0', packages: { '': { version: '0.1.0' } } },
    versionInCode: '0.1.0',
    changelog: '## Unreleased\n\n- A.\n',
    version: '0.1.1',
    files: ['README.md', 'CHANGELOG.md', 'LICENSE', 'dist/THIRD-PARTY.md', 'umbel.config.schema.json'],
  };
  expect(obstacles(sound)).toEqual({ always: [], releasing: [], publishing: [] });
  expect(
    obstacles({
      ...sound,
      manifest: { name: 'umbel', version: '0.1.0' },
      lock: { version: '0.0.9', packages: { a: { resolved: 'somewhere' } } },
      versionInCode: '0.0.8',
      changelog: '## Unreleased\n',
      files: [],
    }),
  ).toEqual({
    always: [
      'package-lock.json has another version than package.json',
      'src/lib/version.ts has another version than package.json',
      'package-lock.json names a registry ("resolved")',
      ...sound.files.map((name) => `the package would lack ${name}`),
    ],
    releasing: ['CHANGELOG.md has no entry under "## Unreleased"'],
    publishing: ['repository', 'homepage', 'bugs'].map(
      (field) => `package.json has no "${field}": it is not published without`,
    ),
  });
});
