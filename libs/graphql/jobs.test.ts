import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous, scopes, type UserIdentity } from '#accounts';
import { hasCode, ManualClock, PackhorseError, silentLog, type Log } from '#base';
import { Jobs, type JobRequest } from './jobs.ts';

const limits = {
  maxRunningJobs: 3,
  maxRunningJobsPerUser: 2,
  maxJobs: 4,
  maxJobLines: 2,
  jobRetentionMs: 1_000,
};

function user(login: string): UserIdentity {
  return {
    kind: 'user',
    userId: login,
    login,
    email: '',
    isAdmin: false,
    via: 'token',
    scopes: new Set(scopes),
  };
}

const request = (login: string, isExempt = false): JobRequest => ({
  kind: 'import',
  repository: 'ada/x',
  identity: user(login),
  isExempt,
});

const isBusy = (thrown: unknown): boolean => hasCode(thrown, 'unavailable');

/** Waits until the job has ended: its promise chain is settled when drain resolves. */
async function ended(jobs: Jobs): Promise<void> {
  await jobs.drain(60_000);
}

test('a job tells its progress while it runs and its result afterwards', async () => {
  const clock = new ManualClock(5_000);
  const jobs = new Jobs(limits, silentLog, { clock });
  const gate = Promise.withResolvers<void>();
  const job = jobs.start(request('ada'), async (onProgress) => {
    onProgress('half\rmore');
    await gate.promise;
    return ['one problem'];
  });
  assert.equal(job.state, 'running');
  assert.deepEqual(
    job.progress(0).map(({ text }) => text),
    ['more'],
  );
  clock.advance(100);
  gate.resolve();
  await ended(jobs);
  assert.equal(job.state, 'succeeded');
  assert.deepEqual(job.problems, ['one problem']);
  assert.equal(job.finishedAt?.getTime(), 5_100);
  assert.equal(job.progress(0)[0]?.isFinished, true);
});

test('a failed job keeps the code and the message, and nothing that was not meant to be said', async () => {
  const errors: unknown[] = [];
  const log: Log = { ...silentLog, error: (_message, fields) => errors.push(fields?.['error']) };
  const jobs = new Jobs(limits, log);
  const told = jobs.start(request('ada'), async () => {
    throw new PackhorseError('invalid_argument', 'The source cannot be read.');
  });
  const secret = new Error('password of the database');
  const masked = jobs.start(request('ada'), () => {
    throw secret;
  });
  await ended(jobs);
  assert.deepEqual(told.error, { code: 'invalid_argument', message: 'The source cannot be read.' });
  assert.equal(masked.error?.code, 'internal');
  assert.doesNotMatch(masked.error?.message ?? '', /database/);
  assert.deepEqual(errors, [secret]);
});

test('only who started a job can see it, and whoever sees all', () => {
  const jobs = new Jobs(limits, silentLog);
  const { id } = jobs.start(request('ada'), async () => []);
  assert.equal(jobs.find(user('ada'), id, false)?.id, id);
  assert.equal(jobs.find(user('bob'), id, false), undefined);
  assert.equal(jobs.find(user('root'), id, true)?.id, id);
  assert.equal(jobs.find(user('ada'), 'other', false), undefined);
  assert.equal(anonymous.kind, 'anonymous');
});

test('one user cannot take all places, and nobody more than there are', async () => {
  const jobs = new Jobs(limits, silentLog);
  const gate = Promise.withResolvers<readonly string[]>();
  const work = (): Promise<readonly string[]> => gate.promise;
  jobs.start(request('ada'), work);
  jobs.start(request('ada'), work);
  assert.throws(() => jobs.start(request('ada'), work), isBusy);
  jobs.start(request('bob', true), work);
  assert.throws(() => jobs.start(request('bob', true), work), isBusy);
  gate.resolve([]);
  await ended(jobs);
});

test('a node that drains waits for what runs and starts nothing more', async () => {
  const jobs = new Jobs(limits, silentLog);
  const gate = Promise.withResolvers<readonly string[]>();
  const job = jobs.start(request('ada'), () => gate.promise);
  const drained = jobs.drain(60_000);
  assert.throws(() => jobs.start(request('bob'), async () => []), isBusy);
  assert.equal(job.state, 'running');
  gate.resolve([]);
  await drained;
  assert.equal(job.state, 'succeeded');
});

test('a node that drains does not wait for ever', async () => {
  const clock = new ManualClock();
  const jobs = new Jobs(limits, silentLog, { clock });
  const job = jobs.start(request('ada'), () => new Promise(() => undefined));
  const drained = jobs.drain(1_000);
  clock.advance(1_000);
  await drained;
  assert.equal(job.state, 'running');
});

test('finished jobs are forgotten when they are old, and the oldest first when there are many', async () => {
  const clock = new ManualClock();
  const jobs = new Jobs(limits, silentLog, { clock });
  const ids: string[] = [];
  for (let i = 0; i < limits.maxJobs + 1; i += 1) {
    const job = jobs.start(request('ada'), async () => []);
    ids.push(job.id);
    while (job.state === 'running') await Promise.resolve();
  }
  const [first, second] = ids;
  assert.equal(jobs.find(user('ada'), first ?? '', false), undefined);
  clock.advance(limits.jobRetentionMs - 1);
  assert.notEqual(jobs.find(user('ada'), ids.at(-1) ?? '', false), undefined);
  clock.advance(1);
  assert.equal(jobs.find(user('ada'), second ?? '', false), undefined);
  assert.equal(jobs.find(user('ada'), ids.at(-1) ?? '', false), undefined);
});

test('a long list of problems is cut, and says so', async () => {
  const jobs = new Jobs(limits, silentLog);
  const job = jobs.start(request('ada'), async () => ['1', '2', '3', '4']);
  await ended(jobs);
  assert.deepEqual(job.problems, ['1', '2', '... and 2 more.']);
});
