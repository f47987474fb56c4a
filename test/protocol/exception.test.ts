import { describe, expect, it } from 'vitest';
import {
  InvalidArgumentsError,
  MaxRetriesExceeded,
  NotSerializableError,
  TaskFailedError,
  TimeLimitExceeded,
} from '../../src/errors.ts';
import {
  asWireException,
  decodeException,
  encodeException,
  PythonException,
} from '../../src/protocol/exception.ts';

describe('an error in the form of Celery', () => {
  class ShopError extends Error {}
  class OutOfStock extends PythonException {
    constructor(product: string, left: number) {
      super('shop.errors.OutOfStock', product, left);
    }
  }
  class Named extends Error {
    override name = 'PaymentDeclined';
  }

  it.each<[string, unknown, object]>([
    ['an Error', new Error('no'), { exc_type: 'Error', exc_message: ['no'], exc_module: 'javascript' }],
    [
      'a TypeError, which Python has as well',
      new TypeError('no'),
      { exc_type: 'TypeError', exc_message: ['no'], exc_module: 'builtins' },
    ],
    [
      'a RangeError, which it has not',
      new RangeError('no'),
      { exc_type: 'RangeError', exc_module: 'javascript' },
    ],
    ['a class of the user', new ShopError('no'), { exc_type: 'ShopError', exc_module: 'javascript' }],
    [
      'a class with a name of its own',
      new Named('no'),
      { exc_type: 'PaymentDeclined', exc_module: 'javascript' },
    ],
    [
      'a hard time limit',
      new TimeLimitExceeded(3),
      { exc_type: 'TimeLimitExceeded', exc_message: [3], exc_module: 'billiard.exceptions' },
    ],
    [
      'retries used up',
      new MaxRetriesExceeded('t', 'i', 3),
      { exc_type: 'MaxRetriesExceededError', exc_module: 'celery.exceptions' },
    ],
    [
      'a result that cannot be sent',
      new NotSerializableError('$.a', 'it is a Map'),
      { exc_type: 'EncodeError', exc_module: 'kombu.exceptions' },
    ],
    [
      'Reject',
      Object.assign(new Error('because'), { name: 'Reject', requeue: false }),
      { exc_type: 'Reject', exc_message: ['because', false], exc_module: 'celery.exceptions' },
    ],
    [
      'an exception of a Python program',
      new OutOfStock('tea', 3),
      { exc_type: 'OutOfStock', exc_message: ['tea', 3], exc_module: 'shop.errors' },
    ],
    [
      "one of Python's own",
      new PythonException('LookupError', 'a', 1),
      { exc_type: 'LookupError', exc_message: ['a', 1], exc_module: 'builtins' },
    ],
    [
      'what a task elsewhere failed with',
      new TaskFailedError('id', decodeException(encodeException(new OutOfStock('tea', 3)).exception, null)),
      { exc_type: 'OutOfStock', exc_message: ['tea', 3], exc_module: 'shop.errors' },
    ],
    [
      'arguments that do not fit',
      new InvalidArgumentsError('t', [{ path: '$.a', message: 'no' }]),
      { exc_type: 'TypeError', exc_module: 'builtins' },
    ],
    ['thrown text', 'just text', { exc_type: 'Error', exc_message: ['just text'] }],
    ['a thrown function', () => 1, { exc_type: 'Error', exc_message: ['() => 1'] }],
    ['thrown nothing', undefined, { exc_type: 'Error', exc_message: [undefined] }],
  ])('%s', (_, error, expected) => {
    expect(encodeException(error).exception).toMatchObject(expected);
  });

  it("an exception of a Python program reads as Python's str(), and is named by module and class", () => {
    expect(new OutOfStock('tea', 3)).toMatchObject({ name: 'OutOfStock', message: "('tea', 3)" });
    expect(new PythonException('KeyError', 'tea').message).toBe('tea');
    for (const path of ['', 'shop..Error', 'os.system("x")', '7.a'])
      expect(() => new PythonException(path)).toThrow(TypeError);
  });

  it('what is thrown on keeps both stacks', () => {
    const remote = { type: 'E', message: '', stack: 'Traceback: over there', module: 'm', args: [] };
    expect(encodeException(new TaskFailedError('id', remote)).traceback).toMatch(
      /^TaskFailedError[\s\S]*Caused by: Traceback: over there$/,
    );
  });

  it('an exception that steers the Python interpreter is not one of its own', () => {
    for (const name of [
      'SystemExit',
      'KeyboardInterrupt',
      'GeneratorExit',
      'StopIteration',
      'os.system',
      'eval',
    ]) {
      expect(encodeException(Object.assign(new Error('x'), { name })).exception.exc_module).toBe(
        'javascript',
      );
    }
  });

  it('the trace has the causes, and an end', () => {
    const inner = new Error('inner');
    const outer = new Error('outer', { cause: inner });
    inner.cause = outer;
    const { traceback } = encodeException(outer);
    expect(traceback).toMatch(/^Error: outer\n {4}at [\s\S]+\n\nCaused by: Error: inner\n/);
    expect(traceback?.match(/Caused by/g)).toHaveLength(1);
  });

  it('a huge message is cut', () => {
    const { exception, traceback } = encodeException(new Error('x'.repeat(10_000_000)));
    expect(JSON.stringify(exception).length).toBeLessThan(40_000);
    expect(traceback?.length).toBeLessThan(70_000);
  });

  it('an error that cannot be read is a failure all the same', () => {
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
    revoke();
    const hostile = new Error('x');
    Object.defineProperty(hostile, 'message', {
      get() {
        throw new Error('no');
      },
    });
    for (const error of [proxy, hostile]) {
      expect(encodeException(error).exception).toMatchObject({
        exc_type: 'Error',
        exc_message: ['an error that cannot be read'],
      });
    }
  });

  it('a stack that is no text is not taken for one', () => {
    const error = new Error('x');
    Object.defineProperty(error, 'stack', { value: 5 });
    expect(encodeException(error).traceback).toBe('Error: x');
  });
});

describe('what a record says of a failure', () => {
  it.each<[unknown, object]>([
    [
      { exc_type: 'ValueError', exc_message: ['a', 1], exc_module: 'builtins' },
      { type: 'ValueError', message: "('a', 1)" },
    ],
    [
      { exc_type: 'KeyError', exc_message: 'k' },
      { type: 'KeyError', message: 'k' },
    ],
    [
      { exc_type: 'KeyError', exc_message: [{ a: null }] },
      { type: 'KeyError', message: "{'a': None}" },
    ],
    [
      { exc_type: 7, exc_message: null },
      { type: 'Error', message: '' },
    ],
    ['it broke', { type: 'Error', message: 'it broke' }],
    [null, { type: 'Error', message: 'None' }],
  ])('%j', (result, expected) => {
    expect(decodeException(result, 'trace')).toMatchObject({ ...expected, stack: 'trace' });
    expect(asWireException(asWireException(result))).toEqual(asWireException(result));
  });
});
