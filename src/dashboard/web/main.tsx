// The dashboard's page: starts what it listens to, and draws.
import { render } from 'preact';
import { askWhoAmI } from './api.ts';
import { startKeys } from './keys.ts';
import { startLive } from './live.ts';
import { applyPreferences } from './preferences.ts';
import { startRouter } from './router.ts';
import { Shell } from './shell.tsx';

applyPreferences();
startRouter();
startKeys();
startLive();
void askWhoAmI();

const root = document.getElementById('app');
if (root !== null) render(<Shell />, root);
