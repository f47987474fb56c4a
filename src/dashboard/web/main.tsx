// Entry point of the page: starts live updates and shortcuts, and renders.
import { render } from 'preact';
import { askWhoAmI } from './api.ts';
import { startKeys } from './keys.ts';
import { startLive } from './live.ts';
import { startPalette } from './palette.tsx';
import { applyPreferences } from './preferences.ts';
import { startRouter } from './router.ts';
import { Shell } from './shell.tsx';

applyPreferences();
startRouter();
startKeys();
startPalette();
startLive();
void askWhoAmI();

const root = document.getElementById('app');
if (root !== null) render(<Shell />, root);
