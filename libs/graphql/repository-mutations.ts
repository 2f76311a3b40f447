import { PackhorseError } from '#base';
import { isAdministrator, signedIn } from './access.ts';
import { builder } from './builder.ts';
import { cost } from './cost.ts';
import { ObjectFormatEnum, RoleEnum, VisibilityEnum } from './enums.ts';
import { Job } from './job-types.ts';
import { Repository } from './repository-types.ts';
import { RepositoryView } from './repository-view.ts';

const writing = cost(100);

const CreateRepositoryInput = builder.inputType('CreateRepositoryInput', {
  fields: (t) => ({
    owner: t.string({ description: 'Absent: the caller.' }),
    name: t.string({ required: true }),
    description: t.string(),
    visibility: t.field({ type: VisibilityEnum, defaultValue: 'public' }),
    objectFormat: t.field({ type: ObjectFormatEnum, description: 'Absent: SHA1.' }),
    defaultBranch: t.string({ description: 'A short name; absent: `main`.' }),
    region: t.string({ description: 'Where it is to be; absent: near the caller.' }),
  }),
});

const UpdateRepositoryInput = builder.inputType('UpdateRepositoryInput', {
  description: 'What is absent stays as it is.',
  fields: (t) => ({
    owner: t.string({ required: true }),
    name: t.string({ required: true }),
    newName: t.string(),
    description: t.string(),
    visibility: t.field({ type: VisibilityEnum }),
    defaultBranch: t.string({ description: 'A short name; the branch need not exist yet.' }),
  }),
});

const DeleteRepositoryInput = builder.inputType('DeleteRepositoryInput', {
  fields: (t) => ({ owner: t.string({ required: true }), name: t.string({ required: true }) }),
});

const GrantRoleInput = builder.inputType('GrantRoleInput', {
  fields: (t) => ({
    owner: t.string({ required: true }),
    name: t.string({ required: true }),
    login: t.string({ required: true }),
    role: t.field({ type: RoleEnum, description: 'Absent or null takes the role away.' }),
  }),
});

const ImportRepositoryInput = builder.inputType('ImportRepositoryInput', {
  fields: (t) => ({
    owner: t.string({ required: true }),
    name: t.string({ required: true, description: 'A repository that is still empty.' }),
    source: t.string({
      required: true,
      description: 'An http(s) or git URL; for administrators also a path on the node.',
    }),
  }),
});

const VerifyRepositoryInput = builder.inputType('VerifyRepositoryInput', {
  fields: (t) => ({ owner: t.string({ required: true }), name: t.string({ required: true }) }),
});

const MaintainRepositoryInput = builder.inputType('MaintainRepositoryInput', {
  fields: (t) => ({ owner: t.string({ required: true }), name: t.string({ required: true }) }),
});

/** A region as it is configured, such as `fra`. */
function regionOf(text: string | undefined): { readonly region?: string } {
  if (text === undefined) return {};
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(text)) return { region: text };
  throw new PackhorseError('invalid_argument', 'A region has up to 32 letters, digits, "-" and "_".');
}

builder.mutationFields((t) => ({
  createRepository: t.field({
    type: Repository,
    args: { input: t.arg({ type: CreateRepositoryInput, required: true }) },
    extensions: writing,
    resolve: async (_root, { input }, context) => {
      const caller = signedIn(context.identity);
      const { record, agent } = await context.repositories.create(caller, {
        ownerLogin: input.owner ?? caller.login,
        name: input.name,
        description: input.description ?? '',
        visibility: input.visibility ?? 'public',
        objectFormat: input.objectFormat ?? 'sha1',
        ...(typeof input.defaultBranch === 'string' && { defaultBranch: input.defaultBranch }),
        ...regionOf(input.region ?? context.region),
      });
      return new RepositoryView(record, context, agent);
    },
  }),
  updateRepository: t.field({
    type: Repository,
    args: { input: t.arg({ type: UpdateRepositoryInput, required: true }) },
    extensions: writing,
    resolve: async (_root, { input }, context) => {
      const { repositories, accounts, identity } = context;
      const { record, agent } = await repositories.open(identity, input.owner, input.name, 'admin');
      // First what can be refused by the repository itself, so that a refusal changes nothing.
      if (typeof input.defaultBranch === 'string') await agent.setHead(`refs/heads/${input.defaultBranch}`);
      const changed = await accounts.repositories.update(identity, record.id, {
        ...(typeof input.newName === 'string' && { name: input.newName }),
        ...(typeof input.description === 'string' && { description: input.description }),
        ...(input.visibility && { visibility: input.visibility }),
      });
      return new RepositoryView(changed, context, agent);
    },
  }),
  deleteRepository: t.id({
    description: 'Forgets the repository and removes its bytes; there is no way back. Answers its id.',
    args: { input: t.arg({ type: DeleteRepositoryInput, required: true }) },
    extensions: writing,
    resolve: async (_root, { input: { owner, name } }, { repositories, identity }) => {
      const { record } = await repositories.open(identity, owner, name, 'admin');
      await repositories.remove(identity, owner, name);
      return record.id;
    },
  }),
  grantRole: t.field({
    type: Repository,
    args: { input: t.arg({ type: GrantRoleInput, required: true }) },
    extensions: writing,
    resolve: async (_root, { input }, context) => {
      const { repositories, accounts, identity } = context;
      const { record, agent } = await repositories.open(identity, input.owner, input.name, 'admin');
      await accounts.repositories.grant(identity, record.id, input.login, input.role ?? undefined);
      return new RepositoryView(record, context, agent);
    },
  }),
  importRepository: t.field({
    type: Job,
    description: 'Copies all refs and objects of another repository into an empty one.',
    args: { input: t.arg({ type: ImportRepositoryInput, required: true }) },
    extensions: cost(1_000),
    resolve: async (_root, { input: { owner, name, source } }, { repositories, jobs, identity }) => {
      const caller = signedIn(identity);
      // A refusal is told at once instead of by a job that failed.
      const { record } = await repositories.open(caller, owner, name, 'write');
      const request = {
        kind: 'import',
        repository: `${record.ownerLogin}/${record.name}`,
        identity: caller,
        isExempt: isAdministrator(caller),
      } as const;
      return jobs.start(request, async (onProgress) => {
        await repositories.import(caller, owner, name, source, onProgress);
        return [];
      });
    },
  }),
  verifyRepository: t.field({
    type: Job,
    description: 'Checks every object and ref (`git fsck`). For those who may administer the repository.',
    args: { input: t.arg({ type: VerifyRepositoryInput, required: true }) },
    extensions: cost(1_000),
    resolve: async (_root, { input: { owner, name } }, { repositories, jobs, identity }) => {
      const caller = signedIn(identity);
      const { record, agent } = await repositories.open(caller, owner, name, 'admin');
      const request = {
        kind: 'verify',
        repository: `${record.ownerLogin}/${record.name}`,
        identity: caller,
        isExempt: isAdministrator(caller),
      } as const;
      return jobs.start(request, () => agent.verify());
    },
  }),
  maintainRepository: t.field({
    type: Job,
    description:
      'Repacks, writes bitmaps and the commit-graph, packs refs and removes what is left over, now instead of when there is need. For those who may administer the repository.',
    args: { input: t.arg({ type: MaintainRepositoryInput, required: true }) },
    extensions: cost(1_000),
    resolve: async (_root, { input: { owner, name } }, { repositories, jobs, identity }) => {
      const caller = signedIn(identity);
      const { record, agent } = await repositories.open(caller, owner, name, 'admin');
      const request = {
        kind: 'maintain',
        repository: `${record.ownerLogin}/${record.name}`,
        identity: caller,
        isExempt: isAdministrator(caller),
      } as const;
      return jobs.start(request, async (onProgress) => {
        await agent.maintain({ onProgress });
        return [];
      });
    },
  }),
}));
