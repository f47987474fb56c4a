import { expect, it } from 'vitest';
import { allBrokers, appOn, onEachBroker, workerOf } from './everywhere.ts';

onEachBroker(allBrokers, (_, newUrls) => {
  it('a worker says that another has its name; one with a name of its own says nothing', async () => {
    const urls = await newUrls();
    const said = (text: string): boolean => /another worker is named twin@here,/.test(text);
    const app = appOn(urls);
    const { log: first } = await workerOf(app, { name: 'twin@here' });
    const { log: second } = await workerOf(app, { name: 'twin@here' });
    expect(second.texts('warn').filter(said)).toHaveLength(1);
    const { log: other } = await workerOf(app, { name: 'other@here' });
    expect([...first.texts(), ...other.texts()].filter(said)).toEqual([]);
  });
});
