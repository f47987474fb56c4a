// The page: who is signed in, what is shown, what is heard from the server.
import { render } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { Task, User } from '../shared/shapes.ts';
import { ask } from './api.ts';
import { Board } from './board.tsx';
import { go, pages, type Shared, SharedContext, useEvent, useRoute } from './context.ts';
import { Exports } from './exports.tsx';
import { Account, TaskForm } from './form.tsx';
import { List } from './list.tsx';
import { Login } from './login.tsx';
import { Dialog, Icon, IconButton } from './parts.tsx';
import { StatisticsPage } from './statistics.tsx';

const titles = { list: 'List', board: 'Board', statistics: 'Statistics', exports: 'Exports' } as const;
const contents = { list: List, board: Board, statistics: StatisticsPage, exports: Exports } as const;
const shortcuts: readonly (readonly [keys: string, what: string])[] = [
  ['1 2 3 4', 'list, board, statistics, exports'],
  ['N', 'new task'],
  ['/', 'search'],
  ['J K', 'next and previous row of the list'],
  ['X', 'select the row'],
  ['Enter', 'open the row or the card'],
  ['← ↑ ↓ →', 'to another card of the board'],
  ['Shift ← →', 'move the card to another column'],
  ['T', 'dark, light, or as the system is'],
  ['?', 'this help'],
];

const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const keptTheme = (): Theme => themes.find((theme) => theme === localStorage.getItem('theme')) ?? 'system';
const showTheme = (theme: Theme) => {
  document.documentElement.style.colorScheme = theme === 'system' ? '' : theme;
};
showTheme(keptTheme());

function Root() {
  // Without this note a stranger's browser would ask who it is, only to be refused.
  const known = localStorage.getItem('signed-in') ? undefined : null;
  const [user, setUser] = useState<User | null | undefined>(known);
  const [problem, setProblem] = useState<string>();
  const enter: Enter = (who) => {
    if (who) localStorage.setItem('signed-in', 'yes');
    else localStorage.removeItem('signed-in');
    setUser(who);
  };
  useEffect(() => {
    const out = () => enter(null);
    addEventListener('signed-out', out);
    if (user === undefined) ask<User>('GET', '/auth/me').then(enter, (error) => setProblem(error.message));
    return () => removeEventListener('signed-out', out);
  }, []);
  if (user === null) return <Login entered={enter} />;
  if (user) return <Tracker user={user} enter={enter} />;
  return problem ? <p class="error nothing">{problem}</p> : null;
}

type Enter = (user: User | null) => void;

function Tracker({ user, enter }: { readonly user: User; readonly enter: Enter }) {
  const { page } = useRoute();
  const { revision, live } = useLive();
  const [theme, setTheme] = useState(keptTheme);
  const [form, setForm] = useState<{ readonly task: Task | undefined }>();
  const [dialog, setDialog] = useState<'help' | 'account'>();
  const [said, setSaid] = useState<{ readonly text: string; readonly kind?: 'error' | undefined }>();

  const say = useCallback<Shared['say']>((text, kind) => setSaid({ text, kind }), []);
  const attempt = useCallback<Shared['attempt']>(
    (act, about) =>
      act().then(
        () => true,
        ({ message }: Error) => {
          say(about === undefined ? message : `${about}: ${message}`, 'error');
          return false;
        },
      ),
    [say],
  );
  const shared = useMemo<Shared>(
    () => ({ user, revision, say, attempt, edit: (task) => setForm({ task }) }),
    [user, revision, say, attempt],
  );
  useEffect(() => {
    if (said === undefined) return;
    const timer = setTimeout(() => setSaid(undefined), 5000);
    return () => clearTimeout(timer);
  }, [said]);
  document.title = `${titles[page]} · Task tracker`;

  const nextTheme = () => {
    const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'system';
    localStorage.setItem('theme', next);
    showTheme(next);
    setTheme(next);
  };
  const leave = () => void attempt(() => ask('POST', '/auth/logout').then(() => enter(null)));
  useShortcuts({
    n: () => setForm({ task: undefined }),
    t: nextTheme,
    '?': () => setDialog('help'),
    '/': () => {
      const focus = () => document.getElementById('search')?.focus();
      if (page === 'list') return focus(); // at once: the next key is a letter to search for
      go('list');
      requestAnimationFrame(focus);
    },
    j: () => focusRow(1),
    k: () => focusRow(-1),
    x: () => row(document.activeElement)?.querySelector<HTMLElement>('[data-row]')?.click(),
    ...Object.fromEntries(pages.map((name, at) => [String(at + 1), () => go(name)])),
  });

  const Content = contents[page];
  return (
    <SharedContext.Provider value={shared}>
      <header class="row top">
        <a class="row brand" href="#/list">
          <img src="/icon.svg" alt="" width="26" height="26" /> <span>Task tracker</span>
        </a>
        <nav class="row" aria-label="Pages">
          {pages.map((name) => (
            <a key={name} class="row" href={`#/${name}`} aria-current={name === page ? 'page' : undefined}>
              <Icon name={name} /> {titles[name]}
            </a>
          ))}
        </nav>
        <span class="row push tools">
          <span class="dot small live" data-live={live} role="status">
            {live ? 'live' : 'reconnecting'}
          </span>
          <IconButton name={`Theme: ${theme}`} icon={theme} act={nextTheme} />
          <IconButton name="Keyboard shortcuts" icon="help" act={() => setDialog('help')} />
          <IconButton name={`Account of ${user.name}`} icon="person" act={() => setDialog('account')} />
          <button type="button" class="main new" onClick={() => setForm({ task: undefined })}>
            <Icon name="plus" /> <span>New task</span>
          </button>
        </span>
      </header>
      <main>
        <Content />
      </main>
      {form && <TaskForm task={form.task} close={() => setForm(undefined)} />}
      {dialog === 'account' && <Account changed={enter} leave={leave} close={() => setDialog(undefined)} />}
      {dialog === 'help' && <Help close={() => setDialog(undefined)} />}
      <div class="said" role="status" data-kind={said?.kind}>
        {said?.text}
      </div>
    </SharedContext.Provider>
  );
}

function Help({ close }: { readonly close: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" close={close}>
      <dl>
        {shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key} class="small">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** What the server says of changes. After a lost connection there may have been some that nobody heard of. */
function useLive(): { readonly revision: number; readonly live: boolean } {
  const [revision, setRevision] = useState(0);
  const [live, setLive] = useState(false);
  useEffect(() => {
    const events = new EventSource('/events');
    let lost = false;
    const changed = () => setRevision((last) => last + 1);
    events.onopen = () => {
      setLive(true);
      if (lost) changed();
    };
    events.onerror = () => {
      setLive(false);
      lost = true;
    };
    events.addEventListener('change', changed);
    return () => events.close();
  }, []);
  return { revision, live };
}

function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  useEvent('keydown', (event) => {
    const { target, ctrlKey, metaKey, altKey } = event;
    const typing =
      target instanceof HTMLElement && target.matches('input:not([type=checkbox]), textarea, select');
    const action = actions[event.key.toLowerCase()];
    if (!action || typing || ctrlKey || metaKey || altKey || document.querySelector('dialog')) return;
    event.preventDefault();
    action();
  });
}

function row(inside: Element | null): Element | null | undefined {
  return inside?.closest('.rows > li');
}

function focusRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('.rows > li')];
  const at = rows.findIndex((one) => one.contains(document.activeElement));
  const next = rows[at < 0 ? 0 : at + step];
  next?.querySelector<HTMLElement>('button.title')?.focus();
}

render(<Root />, document.body);
