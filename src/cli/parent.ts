/**
 * Ends a long-running command, like SIGTERM, when the program that started it with a channel (`stdio: 'ipc'`) is gone. So a supervisor that
 * is killed leaves no orphans.
 */
export function endWithParent(): void {
  const { channel } = process;
  if (!channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  channel.unref();
}
