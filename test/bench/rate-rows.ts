import { atCopy, type Contestant } from './contestant.ts';
import { repositoryWithRefs } from './generated-repositories.ts';
import { lsRefs } from './protocol.ts';
import { requestRate, type MeasuredRequest } from './request-rate.ts';
import type { Row } from './row.ts';

/** Requests for refs per second, over 8 connections. */
function rateRow(
  id: string,
  title: string,
  request: MeasuredRequest,
  atLeast: number | undefined,
  place: (contestant: Contestant) => Promise<Contestant> = (contestant) => Promise.resolve(contestant),
): Row {
  return {
    id,
    title,
    transports: ['http'],
    metrics: [
      { name: 'rate', unit: 'requests/s', ...(atLeast !== undefined && { atLeast: { http: atLeast } }) },
    ],
    rounds: 3,
    measure: async (contestant, { isQuick }) => [
      await requestRate(await place(contestant), request, isQuick ? 2 : 4),
    ],
  };
}

const advertisement: MeasuredRequest = {
  method: 'GET',
  path: '/info/refs?service=git-upload-pack',
  protocol: 'version=2',
  expected: /version 2\n/,
};

export function lsRefsRequest(prefixes: readonly string[]): MeasuredRequest {
  return {
    method: 'POST',
    path: '/git-upload-pack',
    protocol: 'version=2',
    body: lsRefs(prefixes),
    expected: /refs\/heads\//,
  };
}

export const rates: readonly Row[] = [
  rateRow('advertisement', 'capability advertisement, v2', advertisement, 20),
  rateRow(
    'advertisement-v0',
    'advertisement of all refs, v0',
    { ...advertisement, protocol: undefined, expected: /HEAD\0.*\n[^]*refs\/heads\// },
    undefined,
  ),
  rateRow('ls-refs-heads', 'ls-refs, branches', lsRefsRequest(['HEAD', 'refs/heads/']), 20),
  rateRow('ls-refs-all', 'ls-refs, all refs', lsRefsRequest([]), 6),
  rateRow('ls-refs-many', 'ls-refs, 100,000 refs', lsRefsRequest([]), 20, async (contestant) =>
    atCopy(contestant, await repositoryWithRefs(100_000), 'refs'),
  ),
];
