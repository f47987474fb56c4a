// A browser for tests of pages.
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { patienceMs } from './until.ts';

const executablePath = process.env.UMBEL_TEST_CHROMIUM ?? '/usr/bin/chromium';

/** Why there is none; undefined: there is. */
export const noChromium: string | undefined = missing();

/** @param profile a folder that is the browser's alone; whoever made it deletes it. */
export function launchChromium(profile: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    timeout: patienceMs,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
  });
}

/** In CI it must be there. */
function missing(): string | undefined {
  if (existsSync(executablePath)) return undefined;
  const why = `no Chromium at ${executablePath} (apt-get install chromium, or set UMBEL_TEST_CHROMIUM)`;
  if (process.env.CI) throw new Error(why);
  return why;
}
