import { builder } from './builder.ts';
import { JobKindEnum, JobStateEnum } from './enums.ts';
import type { Job as JobRecord } from './jobs.ts';
import type { ProgressLine as ProgressLineRecord } from './progress-text.ts';

const ProgressLine = builder.objectRef<ProgressLineRecord>('ProgressLine').implement({
  fields: (t) => ({
    number: t.exposeInt('number'),
    text: t.exposeString('text'),
    isFinished: t.exposeBoolean('isFinished', {
      description: 'False while the line may still be rewritten: ask for it again.',
    }),
  }),
});

const JobError = builder.objectRef<NonNullable<JobRecord['error']>>('JobError').implement({
  fields: (t) => ({
    code: t.exposeString('code', { description: 'As in `extensions.code` of an error.' }),
    message: t.exposeString('message'),
  }),
});

export const Job = builder.objectRef<JobRecord>('Job').implement({
  description: 'Something that takes longer than a request. Ask for it again until it is not RUNNING.',
  fields: (t) => ({
    id: t.exposeID('id'),
    kind: t.expose('kind', { type: JobKindEnum }),
    repository: t.exposeString('repository', { description: '`OWNER/NAME`.' }),
    state: t.expose('state', { type: JobStateEnum }),
    startedAt: t.expose('startedAt', { type: 'DateTime' }),
    finishedAt: t.field({ type: 'DateTime', nullable: true, resolve: (job) => job.finishedAt }),
    error: t.field({
      type: JobError,
      nullable: true,
      description: 'Why it FAILED.',
      resolve: (job) => job.error,
    }),
    problems: t.stringList({
      description: 'What a verification found; empty when all is well.',
      resolve: (job) => [...job.problems],
    }),
    progress: t.field({
      type: [ProgressLine],
      description: 'The lines from number `from` on, as far as they are kept.',
      args: { from: t.arg.int({ defaultValue: 0 }) },
      resolve: (job, { from }) => [...job.progress(Math.max(0, from ?? 0))],
    }),
  }),
});
