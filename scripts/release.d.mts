// For its test.
export function nextVersion(now: string, asked: string): string | undefined;
export function releasedChangelog(text: string, version: string, date: string): string | undefined;
export function obstacles(found: {
  readonly manifest: Readonly<Record<string, string>>;
  readonly lock: {
    readonly version: string;
    readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  readonly versionInCode: string;
  readonly changelog: string;
  readonly version: string;
  readonly files: readonly string[];
}): Readonly<Record<'always' | 'releasing' | 'publishing', readonly string[]>>;
