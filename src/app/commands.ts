// Remote-control commands that an application defines.
import { AlreadyRegisteredError, ConfigError } from '../errors.ts';
import type { Json } from '../protocol/message.ts';

/** `worker`: the node name of the worker that runs it. The value it returns is the reply; it must have a form in JSON. */
export type RemoteCommand = (args: Json, worker: string) => unknown;

/** @throws ConfigError, AlreadyRegisteredError */
export function addCommand(commands: Map<string, RemoteCommand>, name: string, command: RemoteCommand): void {
  if (!/^[a-z_][a-z0-9_.-]*$/i.test(name))
    throw new ConfigError(`a command has a name like 'clear_cache', not '${name}'`);
  if (typeof command !== 'function')
    throw new ConfigError(`the command '${name}' has no code: app.command(name, function)`);
  if (commands.has(name)) throw new AlreadyRegisteredError(name);
  commands.set(name, command);
}
