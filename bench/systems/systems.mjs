// What is measured, by name. Imported one at a time: each runs in a process of its own.
export const systems = {
  umbel: async () => (await import('./umbel.mjs')).umbel(),
  plainjob: async () => (await import('./plainjob.mjs')).plainjob({ fsync: false }),
  'plainjob-fsync': async () => (await import('./plainjob.mjs')).plainjob({ fsync: true }),
};
