import { builder } from './builder.ts';

/** The closed sets of the other rooms under GraphQL's spelling. */

export const ScopeEnum = builder.enumType('Scope', {
  description: 'What a token may be used for.',
  values: {
    REPO_READ: { value: 'repo:read', description: 'Read what its user may read.' },
    REPO_WRITE: { value: 'repo:write', description: 'Push too; includes REPO_READ.' },
    ACCOUNT: { value: 'account', description: 'Manage its user’s keys, tokens and repositories.' },
    ADMIN: { value: 'admin', description: 'Everything, when its user is an administrator.' },
  } as const,
});

export const VisibilityEnum = builder.enumType('Visibility', {
  values: {
    PUBLIC: { value: 'public', description: 'Everyone can read it.' },
    PRIVATE: { value: 'private', description: 'Only its owner and collaborators know that it exists.' },
  } as const,
});

export const RoleEnum = builder.enumType('Role', {
  description: 'What a collaborator may do with a repository.',
  values: {
    READER: { value: 'reader' },
    WRITER: { value: 'writer' },
    ADMIN: { value: 'admin' },
  } as const,
});

export const ObjectFormatEnum = builder.enumType('ObjectFormat', {
  description: 'The hash that names objects.',
  values: { SHA1: { value: 'sha1' }, SHA256: { value: 'sha256' } } as const,
});

export const AuthenticationEnum = builder.enumType('Authentication', {
  description: 'How the caller proved who they are.',
  values: {
    PASSWORD: { value: 'password' },
    TOKEN: { value: 'token' },
    KEY: { value: 'key' },
    SESSION: { value: 'session' },
  } as const,
});

export const EntryKindEnum = builder.enumType('TreeEntryKind', {
  values: {
    TREE: { value: 'tree' },
    FILE: { value: 'file' },
    EXECUTABLE: { value: 'executable' },
    SYMLINK: { value: 'symlink' },
    SUBMODULE: { value: 'submodule' },
  } as const,
});

export const DiffStatusEnum = builder.enumType('DiffStatus', {
  values: {
    ADDED: { value: 'added' },
    DELETED: { value: 'deleted' },
    MODIFIED: { value: 'modified' },
    RENAMED: { value: 'renamed' },
    COPIED: { value: 'copied' },
    TYPECHANGE: { value: 'typechange' },
  } as const,
});

export const DiffLineOriginEnum = builder.enumType('DiffLineOrigin', {
  values: {
    CONTEXT: { value: 'context' },
    ADDED: { value: 'added' },
    REMOVED: { value: 'removed' },
    NO_NEWLINE: { value: 'no-newline', description: 'The file does not end with a newline.' },
  } as const,
});

export const ActorPhaseEnum = builder.enumType('ActorPhase', {
  values: {
    HELD: { value: 'held', description: 'Waits for the end of its former incarnation.' },
    STARTING: { value: 'starting' },
    LIVE: { value: 'live' },
    STOPPING: { value: 'stopping', description: 'Takes no messages any more.' },
    TERMINATING: { value: 'terminating' },
    DEAD: { value: 'dead' },
  } as const,
});

export const ActorSortEnum = builder.enumType('ActorSort', {
  description: 'Which actors come first; among equals those that handled more messages.',
  values: {
    MAILBOX: { value: 'mailboxDepth', description: 'Most messages waiting.' },
    HANDLED: { value: 'messagesHandled', description: 'Most messages handled.' },
    RESTARTS: { value: 'restarts', description: 'Most often restarted after an exit.' },
  } as const,
});

export const JobKindEnum = builder.enumType('JobKind', {
  values: {
    IMPORT: { value: 'import' },
    VERIFY: { value: 'verify' },
    MAINTAIN: { value: 'maintain' },
  } as const,
});

export const BitmapEnum = builder.enumType('Bitmap', {
  description: 'What tells reachable objects without a walk through history.',
  values: {
    NONE: { value: 'none' },
    PACK: { value: 'pack', description: 'A bitmap of the base pack, from which clones are made.' },
    MULTI_PACK: { value: 'multi-pack', description: 'One bitmap over several packs.' },
  } as const,
});

export const JobStateEnum = builder.enumType('JobState', {
  values: {
    RUNNING: { value: 'running' },
    SUCCEEDED: { value: 'succeeded' },
    FAILED: { value: 'failed' },
  } as const,
});
