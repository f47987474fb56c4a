/**
 * Ends a long-running command as SIGTERM would when the program that started it with a channel (`stdio: 'ipc'`) is
 * gone: a supervisor that is killed leaves no orphans.
 */
export function endWithParent(): void {
  const { channel } = process;
  if (!channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  channel.unref();
}
