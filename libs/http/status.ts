import { toPackhorseError, type Settings } from '#base';
import type { Metrics } from '#telemetry';
import { answerOf, sendText, type TextAnswer } from './answers.ts';
import type { Exchange } from './exchange.ts';

/** How a node says how it is. `undefined` is well; otherwise one sentence says what is not. */
export interface Health {
  /** The process works; when not, it is to be restarted. */
  live(): Promise<string | undefined>;
  /** The node takes requests; when not, they are to be sent elsewhere for now. */
  ready(): Promise<string | undefined>;
}

/** Answers `/healthz`, `/readyz` and `/metrics`; false when the request is for something else. */
export function serveStatus(
  exchange: Exchange,
  health: Health,
  metrics: Metrics,
  settings: Settings['http'],
): boolean {
  const pages: Readonly<Record<string, () => Promise<TextAnswer>>> = {
    '/healthz': () => healthAnswer(health.live()),
    '/readyz': () => healthAnswer(health.ready()),
    '/metrics': () => metricsAnswer(metrics),
  };
  const { method, url } = exchange.request;
  const page = pages[url?.split('?', 1)[0] ?? ''];
  if (page === undefined) return false;
  const answer = method === 'GET' || method === 'HEAD' ? page() : Promise.resolve(wrongMethod);
  answer
    .catch((thrown: unknown) => {
      exchange.failure = toPackhorseError(thrown);
      return answerOf(exchange.failure, exchange.id);
    })
    .then((told) => sendText(exchange, told, settings.lingerTimeoutMs))
    .catch(() => exchange.response.destroy());
  return true;
}

const wrongMethod: TextAnswer = {
  status: 405,
  message: 'This is read with GET.',
  headers: { Allow: 'GET, HEAD' },
};

async function healthAnswer(check: Promise<string | undefined>): Promise<TextAnswer> {
  const problem = await check;
  return problem === undefined ? { status: 200, message: 'ok' } : { status: 503, message: problem };
}

async function metricsAnswer(metrics: Metrics): Promise<TextAnswer> {
  const { contentType, body } = await metrics.exposition();
  return { status: 200, message: body.trimEnd(), headers: { 'Content-Type': contentType } };
}
