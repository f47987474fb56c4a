// Named points at which a process of the chaos proofs kills, stops or hinders itself: FAILPOINT=name:nth:action, several with `;`.
// Actions: `kill` (-9), `stop=<seconds>` (SIGSTOP, then SIGCONT), `throw`, `delay=<ms>`, `halve` (of what is written to a socket: the
// first half, then kill -9). Loaded by `--require` into each process and thread, before anything else.
// It also makes points of its own: what goes to a server and what comes back, by the command that it is.
const { spawn } = require('node:child_process');
const { closeSync, fsyncSync, openSync, readFileSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const net = require('node:net');
const { syncBuiltinESMExports } = require('node:module');
const threads = require('node:worker_threads');

/** name -> how often it was reached. */
const reached = new Map();
let plan = null;
let planned = '';

/** Reaches a point. What it returns is awaited where that is possible. */
function hit(name) {
  const count = (reached.get(name) ?? 0) + 1;
  reached.set(name, count);
  const action = actionAt(name, count);
  if (action === undefined) return undefined;
  const [kind, amount] = action.split('=');
  switch (kind) {
    case 'kill':
      return die(name);
    case 'stop':
      return standStill(name, Number(amount));
    case 'delay':
      return new Promise((resolve) => setTimeout(resolve, Number(amount)));
    case 'throw':
      throw Object.assign(new Error(`failpoint ${name}`), { failpoint: name });
    default:
      throw new Error(`FAILPOINT says '${action}': kill, stop=<s>, delay=<ms>, throw and halve are known`);
  }
}

/** What is to be done when `name` is reached for the `count`th time. */
function actionAt(name, count) {
  const said = process.env.FAILPOINT ?? '';
  if (plan === null || said !== planned) {
    planned = said;
    plan = new Map();
    for (const each of said.split(';').filter(Boolean)) {
      const [, point, nth, action] = /^(.*):(\d+):([^:]+)$/.exec(each) ?? [];
      if (point === undefined) throw new Error(`FAILPOINT is not name:nth:action: ${each}`);
      plan.set(`${point} ${nth}`, action);
    }
  }
  return plan.get(`${name} ${count}`);
}

function die(name) {
  // The children of a pool live a little longer than who started them.
  note('kill', process.env.CHAOS_POOL === 'processes' ? 2000 : 60, name);
  process.kill(process.pid, 'SIGKILL');
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000); // not one step more
}

function standStill(name, seconds) {
  note('stop', seconds * 1000 + 500, name);
  spawn('sh', ['-c', `sleep ${seconds}; kill -CONT ${process.pid}`], {
    detached: true,
    stdio: 'ignore',
  }).unref();
  process.kill(process.pid, 'SIGSTOP');
}

/** Into the ledger, on disk before it happens. */
function note(fault, lastsMs, point) {
  const { CHAOS_LEDGERS: folder, CHAOS_WORKER: worker } = process.env;
  if (folder === undefined) return;
  const at = Date.now();
  const file = openSync(join(folder, `${process.pid}-faults.ledger`), 'a');
  const pid = Number(worker ?? process.pid);
  writeSync(file, `${JSON.stringify({ kind: 'fault', fault, pid, at, until: at + lastsMs, point })}\n`);
  fsyncSync(file);
  closeSync(file);
}

/** The servers' ports: other sockets are none of our business. */
const ports = (process.env.CHAOS_PORTS ?? '').split(',').filter(Boolean).map(Number);
/** sha1 -> the script's name. */
const scripts = process.env.CHAOS_SCRIPTS ? JSON.parse(readFileSync(process.env.CHAOS_SCRIPTS, 'utf8')) : {};
const methods = {
  '60.40': 'publish',
  '60.80': 'ack',
  '60.120': 'nack',
  '60.90': 'reject',
  '60.20': 'consume',
};
const sentNames = Symbol('what was sent');

/** `redis.batch`, `redis.get`, `amqp.publish`; '' for what is none. */
function commandIn(text) {
  if (text.startsWith('*')) {
    const [, command = '', rest = ''] =
      /^\*\d+\r\n\$\d+\r\n([^\r]*)\r\n(?:\$\d+\r\n([^\r]*))?/.exec(text) ?? [];
    const name = /^(EVALSHA|EVAL)$/i.test(command) ? (scripts[rest] ?? 'script') : command.toLowerCase();
    return name === '' ? '' : `redis.${name}`;
  }
  const type = text.charCodeAt(0);
  if (type === 8) return 'amqp.heartbeat';
  if (type !== 1 || text.length < 11) return '';
  const number = (at) => text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
  const method = methods[`${number(7)}.${number(9)}`];
  return method === undefined ? '' : `amqp.${method}`;
}

const { _writeGeneric: write, push } = net.Socket.prototype;
if (ports.length > 0) {
  net.Socket.prototype._writeGeneric = function (isMany, data, encoding, done) {
    if (this.connecting || !ports.includes(this.remotePort))
      return write.call(this, isMany, data, encoding, done);
    const bytes = isMany
      ? Buffer.concat(
          data.map(({ chunk, encoding: its }) =>
            typeof chunk === 'string' ? Buffer.from(chunk, its) : chunk,
          ),
        )
      : typeof data === 'string'
        ? Buffer.from(data, encoding)
        : data;
    const name = commandIn(bytes.subarray(0, 120).toString('latin1'));
    if (name === '') return write.call(this, isMany, data, encoding, done);
    const count = (reached.get(`${name}:half`) ?? 0) + 1;
    reached.set(`${name}:half`, count);
    if (actionAt(`${name}:half`, count) !== undefined) {
      write.call(this, false, bytes.subarray(0, Math.ceil(bytes.length / 2)), 'buffer', () => undefined);
      die(`${name}:half`);
    }
    const result = write.call(this, isMany, data, encoding, done);
    void hit(`${name}:sent`);
    this[sentNames] ??= [];
    this[sentNames].push(name);
    return result;
  };
  net.Socket.prototype.push = function (chunk, encoding) {
    const name = chunk === null ? undefined : this[sentNames]?.shift();
    if (name !== undefined) void hit(`${name}:answered`);
    return push.call(this, chunk, encoding);
  };
  // Threads that are started from a text get none of the flags of their process.
  threads.Worker = class extends threads.Worker {
    constructor(code, options) {
      const ours = `require(${JSON.stringify(__filename)});\n`;
      const env =
        options?.env && typeof options.env === 'object' ? { env: { ...process.env, ...options.env } } : {};
      super(options?.eval ? ours + code : code, { ...options, ...env });
    }
  };
  syncBuiltinESMExports();
}

if (process.env.CHAOS_SQL !== undefined) {
  // The package asks the runtime for its SQLite first; what it gets has points within each transaction.
  const { getBuiltinModule } = process;
  process.getBuiltinModule = (name) => {
    if (name !== 'node:sqlite') return getBuiltinModule.call(process, name);
    const { DatabaseSync } = getBuiltinModule.call(process, name) ?? require('@photostructure/sqlite');
    return {
      DatabaseSync: class {
        constructor(file) {
          // biome-ignore lint/correctness/noConstructorReturn: what stands for a handle is an object with points
          return pointed(new DatabaseSync(file));
        }
      },
    };
  };
}

/** A handle with `sql.begin:after`, `sql.write:after` (each of a transaction's writes), `sql.commit:before` and `:after`. */
function pointed(database) {
  return {
    exec(sql) {
      if (sql === 'COMMIT') void hit('sql.commit:before');
      database.exec(sql);
      if (sql === 'COMMIT') void hit('sql.commit:after');
      if (sql.startsWith('BEGIN')) void hit('sql.begin:after');
    },
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
        run(...values) {
          const result = statement.run(...values);
          void hit('sql.write:after');
          return result;
        },
      };
    },
    close: () => database.close(),
  };
}

globalThis[Symbol.for('umbel.chaos')] = { hit, reached };
