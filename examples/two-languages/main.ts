// `npx tsx examples/two-languages/main.ts one three five`
import { app, report } from './app.ts';

const texts = process.argv.slice(2);
const result = await report(texts.length > 0 ? texts : ['one', 'three', 'eleven']).delay();
console.log(await result.get({ timeout: 30 }));
await app.close();
