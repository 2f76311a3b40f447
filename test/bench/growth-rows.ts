import { atCopy } from './contestant.ts';
import { branchNumber, repositoryWithCommits, repositoryWithRefs } from './generated-repositories.ts';
import { commitPushMs } from './git-client-rows.ts';
import { lsRefsRequest } from './rate-rows.ts';
import { requestRate } from './request-rate.ts';
import { everywhere, type Row } from './row.ts';

/** What should cost the same however large the repository has become. "Flat" leaves room for noise. */
const flat = 1.25;

const commits = { few: 1_000, many: 80_000 };

export const growthOfHistory: Row = {
  id: 'history-growth',
  title: 'push of one commit onto',
  transports: everywhere,
  metrics: [
    { name: '1,000 commits', unit: 'ms' },
    { name: '80,000 commits', unit: 'ms' },
    { name: 'growth', unit: 'x', atMost: flat },
  ],
  rounds: 3,
  measure: async (contestant, { isQuick }) => {
    const count = isQuick ? 3 : 9;
    const few = await commitPushMs(contestant, await repositoryWithCommits(commits.few), count);
    const many = await commitPushMs(contestant, await repositoryWithCommits(commits.many), count);
    return [few, many, many / few];
  },
};

const refs = { few: 1_000, many: 100_000 };

export const growthOfRefs: Row = {
  id: 'refs-growth',
  title: 'ls-refs with a prefix among',
  transports: ['http'],
  metrics: [
    { name: '1,000 refs', unit: 'requests/s' },
    { name: '100,000 refs', unit: 'requests/s' },
    { name: 'growth', unit: 'x', atMost: flat },
  ],
  rounds: 3,
  measure: async (contestant, { isQuick }) => {
    const request = lsRefsRequest([branchNumber(142)]);
    const rateAmong = async (count: number): Promise<number> => {
      const place = await atCopy(contestant, await repositoryWithRefs(count), 'refs');
      return await requestRate(place, request, isQuick ? 1 : 4);
    };
    const few = await rateAmong(refs.few);
    const many = await rateAmong(refs.many);
    return [few, many, few / many];
  },
};
