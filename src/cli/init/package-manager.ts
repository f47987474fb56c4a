// The commands of a new project, for the package manager that its owner uses. Pure.

export const packageManagers = ['npm', 'pnpm', 'yarn'] as const;

export type PackageManager = (typeof packageManagers)[number];

/** The one that runs this command; npm, if none says so. @param userAgent `npm_config_user_agent`, which all of them set */
export function presentManager(userAgent = ''): PackageManager {
  return packageManagers.find((name) => userAgent.startsWith(`${name}/`)) ?? 'npm';
}

const exec: Readonly<Record<PackageManager, string>> = { npm: 'npx', pnpm: 'pnpm exec', yarn: 'yarn' };

/** Commands of npm as those of another package manager. */
export function commandsOf(manager: PackageManager, text: string): string {
  return text
    .replaceAll(/\bnpm (install|run|start|test)\b/g, `${manager} $1`)
    .replaceAll(/\bnpx umbel\b/g, `${exec[manager]} umbel`);
}
