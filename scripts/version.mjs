// Puts the version of package.json where the code has it. `npm version` calls it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const file = join(root, 'src', 'lib', 'version.ts');
writeFileSync(file, readFileSync(file, 'utf8').replace(/'[^']*';/, `'${version}';`));
