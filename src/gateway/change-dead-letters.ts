// Replays or discards dead letters: a single one, or those that a filter matches.
import type { DeadLetters } from '../app/dead-letters.ts';
import { jsonContent } from '../http/openapi.ts';
import { changeParameters, readChangeQuery, readNoQuery } from './dead-letter-query.ts';
import { deadLetterId, idOf, noSuchDeadLetter, servedBy, tags, whereServed } from './dead-letters.ts';
import { problems, ref } from './openapi.ts';
import { type GatewayState, type HttpRoute, json, type RequestContext } from './route.ts';

type Verb = 'replay' | 'discard';

export const replayDeadLetter: HttpRoute = ofOne('replay', 'Puts it back into its queue');
export const discardDeadLetter: HttpRoute = ofOne('discard', 'Deletes it for good');
/** `POST /dead-letters/replay?task=mail.*&rate=10/s`. Ends early when its client is gone: those that are done stay done, the others as they were. */
export const replayDeadLetters: HttpRoute = ofMany(
  'replay',
  'Puts those that a filter finds back, oldest first',
);
export const discardDeadLetters: HttpRoute = ofMany('discard', 'Deletes those that a filter finds, for good');

function ofOne(verb: Verb, summary: string): HttpRoute {
  return {
    method: 'POST',
    path: `/dead-letters/:id/${verb}`,
    async handle(request, gateway) {
      const { deadLetters } = servedBy(gateway);
      const id = idOf(request);
      readNoQuery(new URL(request.req.url).searchParams);
      const { done } = await deadLetters[verb](id);
      if (done.length === 0) throw noSuchDeadLetter(id);
      return json(request, 200, { done: 1, missing: 0, left: 0 });
    },
    describe: (gateway) =>
      whereServed(gateway, `/dead-letters/{id}/${verb}`, {
        operationId: `${verb}DeadLetter`,
        summary,
        tags,
        parameters: [deadLetterId],
        responses: {
          200: { description: 'It is done.', content: jsonContent(ref('DeadLettersChanged')) },
          ...problems(400, 401, 404, 409, 503),
        },
      }),
  };
}

function ofMany(verb: Verb, summary: string): HttpRoute {
  return {
    method: 'POST',
    path: `/dead-letters/${verb}`,
    async handle(request, gateway) {
      const { deadLetters } = servedBy(gateway);
      const { filter, limit, rate } = readChangeQuery(new URL(request.req.url).searchParams);
      const found = await deadLetters.find(filter);
      const ids = found.slice(0, limit);
      const counts = await changeWithin(request, gateway, deadLetters, verb, ids, rate);
      return json(request, 200, { ...counts, left: found.length - counts.done - counts.missing });
    },
    describe: (gateway) =>
      whereServed(gateway, `/dead-letters/${verb}`, {
        operationId: `${verb}DeadLetters`,
        summary,
        description: `Of one request at most 1000, and as many as ${gateway.settings.maxWaitMs / 1000} s have room for; \`left\` says whether to ask again. What died meanwhile is found then, too, but for a \`died_before\`.`,
        tags,
        parameters: changeParameters(),
        responses: {
          200: { description: 'What was done.', content: jsonContent(ref('DeadLettersChanged')) },
          ...problems(400, 401, 409, 429, 503),
        },
      }),
  };
}

/** Ends the work when the request takes too long, or its client is gone. */
async function changeWithin(
  request: RequestContext,
  gateway: GatewayState,
  letters: DeadLetters,
  verb: Verb,
  ids: readonly number[],
  rate: string | number,
): Promise<{ readonly done: number; readonly missing: number }> {
  const wait = gateway.waits.begin(request.req.raw);
  const timer = setTimeout(wait.end, gateway.settings.maxWaitMs);
  let reached = 0;
  try {
    const { done, missing } = await letters[verb](ids, {
      rate,
      signal: wait.signal,
      onProgress: (count) => {
        reached = count;
      },
    });
    return { done: done.length, missing: missing.length };
  } catch (error) {
    if (!wait.signal.aborted) throw error;
    return { done: reached, missing: 0 };
  } finally {
    clearTimeout(timer);
    wait.end();
  }
}
