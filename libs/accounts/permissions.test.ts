import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous, scopes, type Identity, type Scope, type UserIdentity } from './identity.ts';
import {
  decide,
  isSiteAdmin,
  maySeeWith,
  repositoryRoles,
  type Decision,
  type RepositoryAction,
  type RepositoryRole,
} from './permissions.ts';

const ownerId = 'owner-id';

function user(userId: string, isAdmin: boolean, granted: readonly Scope[]): UserIdentity {
  const via = granted.length === scopes.length ? 'password' : 'token';
  return {
    kind: 'user',
    userId,
    login: userId,
    email: `${userId}@x`,
    isAdmin,
    via,
    scopes: new Set(granted),
  };
}

const people: Readonly<
  Record<string, { readonly who: (granted: readonly Scope[]) => Identity; readonly role?: RepositoryRole }>
> = {
  anonymous: { who: () => anonymous },
  stranger: { who: (granted) => user('stranger', false, granted) },
  reader: { who: (granted) => user('friend', false, granted), role: 'reader' },
  writer: { who: (granted) => user('friend', false, granted), role: 'writer' },
  'role admin': { who: (granted) => user('friend', false, granted), role: 'admin' },
  owner: { who: (granted) => user(ownerId, false, granted) },
  'site admin': { who: (granted) => user('root', true, granted) },
};

const limits: Readonly<Record<string, readonly Scope[]>> = {
  'no token': scopes,
  'repo:read': ['repo:read'],
  'repo:write': ['repo:write'],
  account: ['account'],
  admin: ['admin'],
};

/**
 * Whole lines of the matrix, written by hand: for a public, a private and a missing repository what
 * reading, writing and administering come to. a: allow, A: authenticate, d: deny, h: hide.
 */
const matrix: readonly (readonly [person: string, limit: string, row: string])[] = [
  //                           public private missing
  ['anonymous', 'no token', '   aAA    AAA     AAA'],
  ['stranger', 'no token', '    add    hhh     hhh'],
  ['stranger', 'repo:read', '   add    hhh     hhh'],
  ['stranger', 'repo:write', '  add    hhh     hhh'],
  ['stranger', 'account', '     add    hhh     hhh'],
  ['stranger', 'admin', '       add    hhh     hhh'],
  ['reader', 'no token', '      add    add     hhh'],
  ['reader', 'repo:read', '     add    add     hhh'],
  ['reader', 'repo:write', '    add    add     hhh'],
  ['reader', 'account', '       add    hhh     hhh'],
  ['reader', 'admin', '         add    add     hhh'],
  ['writer', 'no token', '      aad    aad     hhh'],
  ['writer', 'repo:read', '     add    add     hhh'],
  ['writer', 'repo:write', '    aad    aad     hhh'],
  ['writer', 'account', '       add    hhh     hhh'],
  ['writer', 'admin', '         aad    aad     hhh'],
  ['role admin', 'no token', '  aaa    aaa     hhh'],
  ['role admin', 'repo:read', ' add    add     hhh'],
  ['role admin', 'repo:write', 'aad    aad     hhh'],
  ['role admin', 'account', '   ada    dda     hhh'],
  ['role admin', 'admin', '     aaa    aaa     hhh'],
  ['owner', 'no token', '       aaa    aaa     hhh'],
  ['owner', 'repo:read', '      add    add     hhh'],
  ['owner', 'repo:write', '     aad    aad     hhh'],
  ['owner', 'account', '        ada    dda     hhh'],
  ['owner', 'admin', '          aaa    aaa     hhh'],
  ['site admin', 'no token', '  aaa    aaa     hhh'],
  // A site administrator's token has the power over everybody's repositories only with that scope.
  ['site admin', 'repo:read', ' add    hhh     hhh'],
  ['site admin', 'repo:write', 'add    hhh     hhh'],
  ['site admin', 'account', '   add    hhh     hhh'],
  ['site admin', 'admin', '     aaa    aaa     hhh'],
];

const letters: Readonly<Record<string, Decision>> = { a: 'allow', A: 'authenticate', d: 'deny', h: 'hide' };
const actions: readonly RepositoryAction[] = ['read', 'write', 'admin'];
const repositories = [
  { ownerId, visibility: 'public' },
  { ownerId, visibility: 'private' },
  undefined,
] as const;

for (const [person, limit, row] of matrix) {
  test(`the permissions of ${person} with ${limit}`, () => {
    const { who, role } = people[person] ?? assert.fail(`no person ${person}`);
    const identity = who(limits[limit] ?? assert.fail(`no limit ${limit}`));
    const expected = row
      .replaceAll(' ', '')
      .split('')
      .map((letter) => letters[letter]);
    const decided = repositories.flatMap((repository) =>
      actions.map((action) => decide(identity, repository, repository && role, action)),
    );
    assert.deepEqual(decided, expected);
  });
}

test('the matrix has a line for every person and limit', () => {
  const wanted = Object.keys(people).flatMap((person) =>
    person === 'anonymous'
      ? ['anonymous/no token']
      : Object.keys(limits).map((limit) => `${person}/${limit}`),
  );
  assert.deepEqual(matrix.map(([person, limit]) => `${person}/${limit}`).toSorted(), wanted.toSorted());
  assert.ok(matrix.every(([, , row]) => row.replaceAll(' ', '').length === 9));
});

/** Every identity there can be: person, set of scopes. */
function everyIdentity(): readonly (readonly [Identity, RepositoryRole | undefined])[] {
  const subsets = Array.from({ length: 1 << scopes.length }, (_, bits) =>
    scopes.filter((_scope, index) => (bits & (1 << index)) !== 0),
  );
  return Object.values(people).flatMap(({ who, role }) =>
    subsets.map((granted) => [who(granted), role] as const),
  );
}

test('whatever the scopes: nobody who may not read learns that a private repository exists', () => {
  for (const [identity, role] of everyIdentity()) {
    const repository = { ownerId, visibility: 'private' } as const;
    const may = actions.some((action) => decide(identity, repository, role, action) === 'allow');
    if (may) continue;
    for (const action of actions) {
      assert.equal(
        decide(identity, repository, role, action),
        decide(identity, undefined, undefined, action),
        'the same answer as for a repository that does not exist',
      );
    }
  }
});

test('whatever the scopes: a token never may more than its user, and a further scope never takes anything away', () => {
  for (const [identity, role] of everyIdentity()) {
    if (identity.kind === 'anonymous') continue;
    for (const repository of repositories) {
      for (const action of actions) {
        const allowed = decide(identity, repository, role, action) === 'allow';
        if (!allowed) continue;
        for (const scope of scopes) {
          const wider: UserIdentity = { ...identity, scopes: new Set([...identity.scopes, scope]) };
          assert.equal(decide(wider, repository, role, action), 'allow');
        }
      }
    }
  }
});

test('a role lets one see a repository exactly when it lets one do something with it', () => {
  for (const [identity] of everyIdentity()) {
    if (identity.kind === 'anonymous' || isSiteAdmin(identity) || identity.userId === ownerId) continue;
    for (const role of repositoryRoles) {
      const may = actions.some(
        (action) => decide(identity, { ownerId, visibility: 'private' }, role, action) === 'allow',
      );
      assert.equal(maySeeWith(identity, role), may);
    }
  }
});
