/**
 * Catches what tasks throw where nobody can catch it: in a timer's callback, in a promise that nobody awaits. Node
 * would end the process, and with it all the tasks of the innocent. Dispose to take the handlers off.
 *
 * `handle` is called in the asynchronous context of the code that threw, so that its task can be found.
 */
export function onStrayError(handle: (error: Error, kind: 'exception' | 'rejection') => void): Disposable {
  const onException = (error: unknown): void => handle(asError(error), 'exception');
  const onRejection = (reason: unknown): void => handle(asError(reason), 'rejection');
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return {
    [Symbol.dispose]: () => {
      process.off('uncaughtException', onException);
      process.off('unhandledRejection', onRejection);
    },
  };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`something was thrown that is no Error: ${String(thrown)}`, { cause: thrown });
}
