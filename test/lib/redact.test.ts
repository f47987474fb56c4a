import { expect, test } from 'vitest';
import { redacted, redactedRepr, redactedSetting } from '../../src/lib/redact.ts';

test.each([
  ['redis://:secret@host:6379/0', 'redis://:**@host:6379/0'],
  ['amqp://user:p%40ss@host//', 'amqp://user:**@host//'],
  ['postgres+ssl://u:p@h and redis://:q@h', 'postgres+ssl://u:**@h and redis://:**@h'],
  ['redis://:pa/ss@word@host/0', 'redis://:**@host/0'],
  ['redis://h1:6379/0;redis://:secret@h2:6379/0', 'redis://h1:6379/0;redis://:**@h2:6379/0'],
  [
    'postgresql://h/db?user=u&password=p%40ss&sslmode=require',
    'postgresql://h/db?user=u&password=**&sslmode=require',
  ],
  ['sqlite://.umbel/store.db', 'sqlite://.umbel/store.db'],
  ['http://127.0.0.1:8000/tasks/a@b', 'http://127.0.0.1:8000/tasks/a@b'],
  ['no url: user@host', 'no url: user@host'],
])('passwords in URLs are not shown: %s', (text, shown) => {
  expect(redacted(text)).toBe(shown);
});

test('what is hidden in a repr is the value of a secret name, however deep, and nothing else', () => {
  expect(redactedRepr("{'a': {'password': 'x, y', 'n': 1}, 'token': None, 'b': ['redis://:p@h/0']}")).toBe(
    "{'a': {'password': '********', 'n': 1}, 'token': '********', 'b': ['redis://:**@h/0']}",
  );
  expect(redactedRepr("('a', 'token', {'x': 'api_key'})")).toBe("('a', 'token', {'x': 'api_key'})");
});

/** A megabyte each: time that grew with its square would be minutes, and the test would not end. */
test.each([
  ['a-', '://'],
  ['://a:', ''],
  ['://a:', '@'],
  ['://?', 'a'],
  ['://?pass', ''],
  ['://?secret_', '='],
  ['-----BEGIN ', ' -----'],
  ["':'token", ''],
  ["'token", "':"],
])('a megabyte of %j%j is looked through in time', (part, end) => {
  const text = part.repeat(2 ** 20 / part.length) + end;
  expect(redacted(text)).toContain(part.slice(0, 3));
  expect(redactedRepr(`${text}"':'${'token'.repeat(2 ** 17)}`)).toContain(part.slice(0, 3));
});

test('keys are not shown, wherever they stand, also in JSON and without their end', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nMIIEvQ+/AB==\n-----END PRIVATE KEY-----\n';
  const old = '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\nMIIEvQ\n';
  for (const text of [
    key,
    old,
    JSON.stringify({ msg: `it is ${key}`, level: 'info' }),
    `a ${key.slice(0, 40)}`,
  ])
    expect(redacted(text)).not.toMatch(/MII|DEK/);
  expect(JSON.parse(redacted(JSON.stringify({ msg: `it is ${key}`, level: 'info' })))).toEqual({
    msg: 'it is -----BEGIN PRIVATE KEY----- ********',
    level: 'info',
  });
});

test('a setting shows what is known to be harmless, and no more', () => {
  const ssl = {
    ca_certs: '/ca.pem',
    keyfile: '/key.pem',
    key: 'MIISECRET',
    passphrase: 'keypass',
    pfx: Buffer.from('MIISECRET'),
    cert: '-----BEGIN CERTIFICATE-----\nMIIC',
    cert_reqs: 'required',
    checkHostname: false,
    made_up: 'who knows',
  };
  expect(redactedSetting('broker_use_ssl', ssl)).toEqual({
    ca_certs: '/ca.pem',
    keyfile: '/key.pem',
    key: '********',
    passphrase: '********',
    pfx: '********',
    cert: '-----BEGIN CERTIFICATE----- ********',
    cert_reqs: 'required',
    checkHostname: false,
    made_up: '********',
  });
  const options = {
    visibility_timeout: 3600,
    global_keyprefix: 'shop:',
    sentinelKwargs: { password: 'p', username: 'u' },
    ssl: { key: 'MIISECRET' },
    dsn: 'x',
  };
  expect(redactedSetting('broker_transport_options', options)).toEqual({
    visibility_timeout: 3600,
    global_keyprefix: 'shop:',
    sentinelKwargs: { password: '********', username: 'u' },
    ssl: { key: '********' },
    dsn: '********',
  });
  expect(redactedSetting('task_default_routing_key', 'mail')).toBe('mail');
  expect(redactedSetting('broker_url', 'redis://u:p@h/0')).toBe('redis://u:**@h/0');
  expect(redactedSetting('queue_limits', { mail: { limit: '10/m', key: 0 } })).toEqual({
    mail: { limit: '10/m', key: 0 },
  });
  expect(redactedSetting('beat_schedule', { a: { kwargs: { apiKey: 'k', user: 'u' } } })).toEqual({
    a: { kwargs: { apiKey: '********', user: 'u' } },
  });
});
