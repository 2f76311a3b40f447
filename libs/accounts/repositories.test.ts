import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasCode, type ErrorCode } from '#base';
import { newRepository, openTestAccounts, type TestAccounts } from '#test/accounts';
import { anonymous, type Identity, type Scope, type UserIdentity } from './identity.ts';

let harness: TestAccounts;
let owner: UserIdentity;
let stranger: UserIdentity;
let admin: UserIdentity;

before(async () => {
  harness = await openTestAccounts('embedded');
  owner = await harness.signUp('Owner');
  stranger = await harness.signUp('stranger');
  admin = await harness.signUp('boss', { isAdmin: true });
});
after(() => harness[Symbol.asyncDispose]());

function refused(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}: ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

const limitedTo = (identity: UserIdentity, ...scopes: readonly Scope[]): UserIdentity => ({
  ...identity,
  via: 'token',
  scopes: new Set(scopes),
});

/** `accounts.repositories` of the harness; not before the tests run. */
const repositories = () => harness.accounts.repositories;

describe('a new repository', () => {
  test('is found under any case of its name, as it was written', async () => {
    const record = await repositories().create(owner, {
      ...newRepository('OWNER', 'Engine', 'private'),
      description: 'Analytical',
      objectFormat: 'sha256',
      placement: { volumeId: 'volume-7', epoch: 3 },
    });
    assert.deepEqual(record, {
      id: record.id,
      ownerId: owner.userId,
      ownerLogin: 'Owner',
      name: 'Engine',
      description: 'Analytical',
      visibility: 'private',
      objectFormat: 'sha256',
      createdAt: new Date(harness.clock.nowMs()),
      placement: { volumeId: 'volume-7', epoch: 3, replicas: [], region: 'local', durability: 1 },
    });
    for (const [login, name] of [
      ['Owner', 'Engine'],
      ['owner', 'ENGINE'],
    ] as const) {
      assert.deepEqual(await repositories().authorise(owner, login, name, 'admin'), record);
    }
  });

  test('is asked for before it is made, with the same answers', async () => {
    await repositories().create(owner, newRepository('owner', 'taken', 'public'));
    const limited = harness.another({ maxRepositoriesPerOwner: 1 }).repositories;
    const attempts: readonly (readonly [Identity, string, string, ErrorCode, RegExp])[] = [
      [anonymous, 'owner', 'x', 'unauthenticated', /Sign in/],
      [stranger, 'owner', 'x', 'permission_denied', /own login/],
      [stranger, 'nobody', 'x', 'permission_denied', /own login/],
      [admin, 'nobody', 'x', 'not_found', /no user/],
      [admin, 'a\0b', 'x', 'not_found', /no user/],
      [owner, 'owner', 'TAKEN', 'already_exists', /of that name/],
      [owner, 'owner', 'a/b', 'invalid_argument', /only contain/],
      [owner, 'owner', 'x.git', 'invalid_argument', /must not end/],
      [limitedTo(owner, 'repo:write'), 'owner', 'x', 'permission_denied', /scope "account"/],
      [limitedTo(admin, 'account'), 'owner', 'x', 'permission_denied', /own login/],
    ];
    for (const [identity, login, name, code, message] of attempts) {
      await refused(repositories().checkCreate(identity, login, name), code, message);
      await refused(repositories().create(identity, newRepository(login, name, 'public')), code, message);
    }
    await refused(limited.checkCreate(owner, 'owner', 'x'), 'resource_exhausted', /too many/);
    await refused(
      limited.create(owner, newRepository('owner', 'x', 'public')),
      'resource_exhausted',
      /too many/,
    );
    const tooLong = { ...newRepository('owner', 'x', 'public'), description: 'x'.repeat(501) };
    await refused(repositories().create(owner, tooLong), 'invalid_argument', /longer/);

    for (const [identity, name] of [
      [owner, 'free'],
      [limitedTo(owner, 'account'), 'by-token'],
      [admin, 'by-admin'],
    ] as const) {
      await repositories().checkCreate(identity, 'owner', name);
      assert.equal(
        (await repositories().create(identity, newRepository('owner', name, 'public'))).ownerId,
        owner.userId,
      );
    }
  });

  test('of one name is made once, however many ask for it at the same time', async () => {
    const attempts = ['race', 'Race', 'RACE'].map((name) =>
      repositories().create(owner, newRepository('owner', name, 'public')),
    );
    const results = await Promise.allSettled(attempts);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results)
      assert.ok(result.status === 'fulfilled' || hasCode(result.reason, 'already_exists'));
  });

  test('is found the moment after somebody looked for it in vain', async () => {
    await refused(repositories().authorise(stranger, 'stranger', 'late', 'read'), 'not_found');
    await repositories().create(stranger, newRepository('stranger', 'late', 'private'));
    await repositories().authorise(stranger, 'stranger', 'late', 'read');
  });
});

describe('what is said to somebody who may not', () => {
  before(async () => {
    await repositories().create(owner, newRepository('owner', 'open', 'public'));
    await repositories().create(owner, newRepository('owner', 'hidden', 'private'));
  });

  test('does not tell a private repository from one that is not there', async () => {
    for (const identity of [anonymous, stranger, limitedTo(owner), limitedTo(admin, 'repo:write')]) {
      for (const action of ['read', 'write', 'admin'] as const) {
        const answers = await Promise.all(
          [
            ['owner', 'hidden'],
            ['owner', 'missing'],
            ['nobody', 'hidden'],
            ['a\0b', 'x/y'],
          ].map(([login = '', name = '']) =>
            repositories()
              .authorise(identity, login, name, action)
              .catch((error: unknown) => error),
          ),
        );
        for (const answer of answers) {
          assert.ok(
            hasCode(answer, identity.kind === 'anonymous' ? 'unauthenticated' : 'not_found'),
            String(answer),
          );
          assert.equal(answer.message, (answers[0] as Error).message);
          assert.deepEqual(answer.metadata, {});
        }
      }
    }
  });

  test('names what is missing where the repository may be known', async () => {
    await refused(
      repositories().authorise(anonymous, 'owner', 'open', 'write'),
      'unauthenticated',
      /Sign in/,
    );
    await refused(
      repositories().authorise(stranger, 'owner', 'open', 'write'),
      'permission_denied',
      /not push/,
    );
    await refused(
      repositories().authorise(stranger, 'owner', 'open', 'admin'),
      'permission_denied',
      /not administer/,
    );
    await refused(
      repositories().authorise(limitedTo(owner, 'repo:read'), 'owner', 'hidden', 'write'),
      'permission_denied',
      /scope/,
    );
    await refused(
      repositories().authorise(limitedTo(owner, 'account'), 'owner', 'hidden', 'read'),
      'permission_denied',
      /scope/,
    );
  });
});

describe('a change', () => {
  test('of visibility is seen by the next request', async () => {
    const { id } = await repositories().create(owner, newRepository('owner', 'shy', 'public'));
    await repositories().authorise(anonymous, 'owner', 'shy', 'read');
    const changed = await repositories().update(owner, id, { visibility: 'private' });
    assert.equal(changed.visibility, 'private');
    await refused(repositories().authorise(anonymous, 'owner', 'shy', 'read'), 'unauthenticated');
    await refused(repositories().authorise(stranger, 'owner', 'shy', 'read'), 'not_found');
    await repositories().update(owner, id, { visibility: 'public' });
    await repositories().authorise(anonymous, 'owner', 'shy', 'read');
  });

  test('made on another node is seen within the time of the cache', async () => {
    const { clock } = harness;
    const elsewhere = harness.another({ accessCacheMs: 5_000 }).repositories;
    const { id } = await repositories().create(owner, newRepository('owner', 'afar', 'public'));
    await elsewhere.authorise(anonymous, 'owner', 'afar', 'read');
    await repositories().update(owner, id, { visibility: 'private' });
    clock.advance(5_000);
    await refused(elsewhere.authorise(anonymous, 'owner', 'afar', 'read'), 'unauthenticated');
  });

  test('of the name moves the repository, and frees the old name', async () => {
    const { id } = await repositories().create(owner, newRepository('owner', 'before', 'private'));
    await repositories().create(owner, newRepository('owner', 'occupied', 'private'));
    await repositories().authorise(owner, 'owner', 'before', 'read');
    await refused(repositories().update(owner, id, { name: 'Occupied' }), 'already_exists', /of that name/);
    await refused(repositories().update(owner, id, { name: '-x' }), 'invalid_argument', /begin/);
    await refused(repositories().update(owner, id, { description: 'a\nb' }), 'invalid_argument', /one line/);
    assert.equal((await repositories().update(owner, id, { name: 'Before' })).name, 'Before');
    assert.equal(
      (await repositories().update(owner, id, { name: 'after', description: 'moved' })).description,
      'moved',
    );
    await refused(repositories().authorise(owner, 'owner', 'before', 'read'), 'not_found');
    assert.equal((await repositories().authorise(owner, 'owner', 'after', 'read')).id, id);
    await repositories().create(owner, newRepository('owner', 'before', 'private'));
  });

  test('of nothing leaves everything as it is', async () => {
    const record = await repositories().create(owner, newRepository('owner', 'same', 'private'));
    assert.deepEqual(await repositories().update(owner, record.id, {}), record);
  });

  test('or removal is for those who administer the repository', async () => {
    const { id } = await repositories().create(owner, newRepository('owner', 'kept', 'private'));
    for (const [identity, code] of [
      [anonymous, 'unauthenticated'],
      [stranger, 'not_found'],
      [limitedTo(owner, 'repo:write'), 'permission_denied'],
      [limitedTo(admin, 'repo:write'), 'not_found'],
    ] as const) {
      await refused(repositories().update(identity, id, { name: 'stolen' }), code);
      await refused(repositories().remove(identity, id), code);
      await refused(repositories().grant(identity, id, 'stranger', 'admin'), code);
      await refused(repositories().collaborators(identity, id), code);
    }
    for (const wrong of ['', '0'.repeat(26), "' OR 1=1", '\0'])
      await refused(repositories().remove(owner, wrong), 'not_found');
    await repositories().authorise(owner, 'owner', 'kept', 'read');
    await repositories().grant(owner, id, 'stranger', 'reader');
    await repositories().remove(admin, id);
    await refused(repositories().authorise(owner, 'owner', 'kept', 'read'), 'not_found');
    await refused(repositories().authorise(stranger, 'owner', 'kept', 'read'), 'not_found');
  });
});

describe('a role', () => {
  test('is given, changed and taken away, each seen by the next request', async () => {
    const { id } = await repositories().create(owner, newRepository('owner', 'shared', 'private'));
    const may = (action: 'read' | 'write' | 'admin') =>
      repositories()
        .authorise(stranger, 'owner', 'shared', action)
        .then(
          () => true,
          (error: unknown) => {
            assert.ok(hasCode(error, 'not_found', 'permission_denied'), String(error));
            return false;
          },
        );
    const powers = async () => [await may('read'), await may('write'), await may('admin')];

    assert.deepEqual(await powers(), [false, false, false]);
    for (const [role, expected] of [
      ['reader', [true, false, false]],
      ['writer', [true, true, false]],
      ['admin', [true, true, true]],
      ['reader', [true, false, false]],
      [undefined, [false, false, false]],
    ] as const) {
      await repositories().grant(owner, id, 'STRANGER', role);
      assert.deepEqual(await powers(), expected, String(role));
      const listed = role === undefined ? [] : [{ login: 'stranger', role }];
      assert.deepEqual(await repositories().collaborators(owner, id), listed);
    }
  });

  test('goes to users who exist and do not own the repository, and not to too many', async () => {
    const limited = harness.another({ maxCollaborators: 1 }).repositories;
    const { id } = await repositories().create(owner, newRepository('owner', 'popular', 'private'));
    await refused(limited.grant(owner, id, 'nobody', 'reader'), 'not_found', /no user/);
    await refused(limited.grant(owner, id, 'a\0b', 'reader'), 'not_found', /no user/);
    await refused(limited.grant(owner, id, 'owner', 'reader'), 'invalid_argument', /owner/);
    await limited.grant(owner, id, 'stranger', 'reader');
    await refused(limited.grant(owner, id, 'boss', 'reader'), 'resource_exhausted', /too many/);
    await limited.grant(owner, id, 'stranger', 'admin');
    await limited.grant(owner, id, 'boss', undefined);
    assert.deepEqual(await limited.collaborators(stranger, id), [{ login: 'stranger', role: 'admin' }]);
  });
});

describe('the list', () => {
  let lister: UserIdentity;
  before(async () => {
    lister = await harness.signUp('lister');
    for (const name of ['b-public', 'A-public', 'c_public'])
      await repositories().create(lister, newRepository('lister', name, 'public'));
    await repositories().create(lister, newRepository('lister', 'd-private', 'private'));
    const { id } = await repositories().create(lister, newRepository('lister', 'e-shared', 'private'));
    await repositories().grant(lister, id, 'stranger', 'reader');
  });

  const names = async (identity: Identity, page: { readonly limit?: number; readonly after?: string } = {}) =>
    (await repositories().list(identity, { limit: 100, ownerLogin: 'LISTER', ...page })).map(
      ({ name }) => name,
    );

  test('holds what somebody may know, in the order of the names', async () => {
    const open = ['A-public', 'b-public', 'c_public'];
    assert.deepEqual(await names(anonymous), open);
    assert.deepEqual(await names(stranger), [...open, 'e-shared']);
    assert.deepEqual(await names(lister), [...open, 'd-private', 'e-shared']);
    assert.deepEqual(await names(admin), [...open, 'd-private', 'e-shared']);
    assert.deepEqual(await names(limitedTo(lister, 'account')), [...open, 'd-private', 'e-shared']);
    assert.deepEqual(await names(limitedTo(stranger, 'account')), open);
    assert.deepEqual(await names(limitedTo(lister)), open);
    assert.deepEqual(await names(limitedTo(admin, 'repo:write')), open);
  });

  test('comes page by page over all owners, without a gap or a repetition', async () => {
    const whole = (await repositories().list(admin, { limit: 1000 })).map(
      ({ ownerLogin, name }) => `${ownerLogin}/${name}`,
    );
    assert.ok(whole.length > 10);
    assert.deepEqual(
      whole,
      whole.toSorted((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)),
    );
    const paged: string[] = [];
    for (;;) {
      const after = paged.at(-1);
      const page = await repositories().list(admin, { limit: 3, ...(after === undefined ? {} : { after }) });
      if (page.length === 0) break;
      paged.push(...page.map(({ ownerLogin, name }) => `${ownerLogin}/${name}`));
    }
    assert.deepEqual(paged, whole);
  });

  test('takes any text as the place to go on from', async () => {
    assert.deepEqual(await names(anonymous, { after: 'lister/b-public' }), ['c_public']);
    assert.deepEqual(await names(anonymous, { after: 'lister' }), await names(anonymous));
    for (const after of ['', '/', 'a\0/b', 'zzz/zzz', '%', "'"]) {
      assert.ok(Array.isArray(await names(anonymous, { after })));
    }
    assert.deepEqual(await repositories().list(anonymous, { limit: 10, ownerLogin: 'no\0body' }), []);
  });

  test('agrees with what may be read', async () => {
    for (const identity of [anonymous, stranger, lister, owner, limitedTo(lister, 'repo:read')]) {
      const listed = new Set(await names(identity));
      for (const name of ['A-public', 'b-public', 'c_public', 'd-private', 'e-shared']) {
        const readable = await repositories()
          .authorise(identity, 'lister', name, 'read')
          .then(
            () => true,
            () => false,
          );
        assert.equal(listed.has(name), readable, name);
      }
    }
  });
});
