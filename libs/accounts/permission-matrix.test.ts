import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hasCode } from '#base';
import { newRepository, openTestAccounts, password, type TestAccounts } from '#test/accounts';
import { anonymous, isScope, type Identity } from './identity.ts';
import type { RepositoryAction } from './permissions.ts';

/**
 * The permission matrix through the real services: everybody signs in with a real password or token,
 * and asks for a public, a private and a missing repository.
 *
 * o: may; A: `unauthenticated`; d: `permission_denied`; h: `not_found`. Read, write, admin of each.
 */
const matrix: readonly (readonly [who: string, row: string])[] = [
  //                                        public private missing
  ['anonymous', '                           oAA    AAA     AAA'],
  ['stranger', '                            odd    hhh     hhh'],
  ['reader', '                              odd    odd     hhh'],
  ['writer', '                              ood    ood     hhh'],
  ['maintainer', '                          ooo    ooo     hhh'],
  ['owner', '                               ooo    ooo     hhh'],
  ['boss', '                                ooo    ooo     hhh'],
  ['reader with repo:write', '              odd    odd     hhh'],
  ['writer with repo:read', '               odd    odd     hhh'],
  ['writer with repo:write', '              ood    ood     hhh'],
  ['writer with account', '                 odd    hhh     hhh'],
  ['maintainer with account', '             odo    ddo     hhh'],
  ['owner with repo:read', '                odd    odd     hhh'],
  ['owner with repo:write', '               ood    ood     hhh'],
  ['owner with account', '                  odo    ddo     hhh'],
  ['owner with repo:write,account', '       ooo    ooo     hhh'],
  ['boss with repo:write', '                odd    hhh     hhh'],
  ['boss with admin', '                     ooo    ooo     hhh'],
  ['owner with repo:write (expired)', '     AAA    AAA     AAA'],
  ['owner with repo:write (revoked)', '     AAA    AAA     AAA'],
];

const actions: readonly RepositoryAction[] = ['read', 'write', 'admin'];
const codes = { A: 'unauthenticated', d: 'permission_denied', h: 'not_found' } as const;
let harness: TestAccounts;

before(async () => {
  harness = await openTestAccounts('url');
  const { repositories } = harness.accounts;
  const owner = await harness.signUp('owner');
  await harness.signUp('boss', { isAdmin: true });
  for (const login of ['stranger', 'reader', 'writer', 'maintainer']) await harness.signUp(login);
  for (const visibility of ['public', 'private'] as const) {
    const { id } = await repositories.create(owner, newRepository('owner', visibility, visibility));
    await repositories.grant(owner, id, 'reader', 'reader');
    await repositories.grant(owner, id, 'writer', 'writer');
    await repositories.grant(owner, id, 'maintainer', 'admin');
  }
});
after(() => harness[Symbol.asyncDispose]());

/** A way to sign in as `LOGIN [with SCOPES [(expired|revoked)]]`; it is taken anew for every request. */
async function credential(who: string): Promise<() => Promise<Identity>> {
  const { authenticator, tokens, users } = harness.accounts;
  const [, login = '', list, end] = /^(\w+)(?: with ([\w:,]+))?(?: \((\w+)\))?$/.exec(who) ?? [];
  if (login === 'anonymous') return async () => anonymous;
  if (list === undefined) return () => authenticator.byPassword(login, password, '192.0.2.1');
  const user = await users.find(login);
  assert.ok(user !== undefined);
  const wanted = list.split(',').filter(isScope);
  const expiresAt = end === 'expired' ? new Date(harness.clock.nowMs() + 1) : undefined;
  const { token, record } = await tokens.create(user.id, { name: who, scopes: wanted, expiresAt });
  assert.equal((await authenticator.byToken(token)).login, login, 'it was valid once');
  if (end === 'expired') harness.clock.advance(1);
  if (end === 'revoked') await tokens.revoke(user.id, record.id);
  return () => authenticator.byToken(token);
}

for (const [who, row] of matrix) {
  test(`${who} may exactly what the matrix says`, async () => {
    const signIn = await credential(who);
    const outcomes: string[] = [];
    for (const name of ['public', 'private', 'missing']) {
      for (const action of actions) {
        const outcome = await signIn()
          .then((identity) => harness.accounts.repositories.authorise(identity, 'owner', name, action))
          .then(
            (record) => (record.name === name ? 'o' : 'another repository'),
            (error: unknown) => {
              const found = Object.entries(codes).find(([, code]) => hasCode(error, code));
              return found?.[0] ?? String(error);
            },
          );
        outcomes.push(outcome);
      }
    }
    assert.deepEqual(outcomes, row.replaceAll(' ', '').split(''));
  });
}
