// Who asks all workers cannot know how many there are: replies are gathered for a time, and what comes later is not heard.
import { until } from '../until.ts';

/** Asks again, each time for longer, until the answer is a whole one; that answer. `first`: seconds. */
export async function askedUntil<T>(
  ask: (timeout: number) => Promise<T>,
  isWhole: (answer: T) => boolean,
  first = 0.5,
): Promise<T> {
  const answers: T[] = [];
  let timeout = first;
  await until(
    async () => {
      const answer = await ask(timeout);
      timeout *= 2;
      answers.unshift(answer);
      return isWhole(answer);
    },
    () => `a whole answer; the last one is ${JSON.stringify(answers[0])}`,
  );
  return answers[0] as T; // `until` has asked
}
