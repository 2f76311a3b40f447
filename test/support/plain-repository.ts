import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ByteStream, isZeroOid, type ObjectFormat, type Oid, PackhorseError } from '#base';
import type {
  CommandResult,
  CommitNode,
  CommitOptions,
  PackPart,
  PackRequest,
  Quarantine,
  ReceiveOptions,
  ReceivePackPolicy,
  ReceivePackRepository,
  Ref,
  RefCommand,
  RefSnapshot,
  SignatureCheck,
  UploadPackPolicy,
  UploadPackRepository,
  WorkTree,
} from '#wire';
import { cleanEnvironment, git, tryGit } from './git.ts';

/**
 * A bare repository on disk behind the protocol's interfaces, as simple as can be: every question
 * starts a `git`. It is what the protocol is tested against on its own, and a second opinion on
 * what the engine answers.
 */
export class PlainRepository implements UploadPackRepository, ReceivePackRepository {
  readonly path: string;
  readonly objectFormat: ObjectFormat;
  /** Every pack that was asked for. */
  readonly packRequests: PackRequest[] = [];
  /** Work trees by the branch that they have checked out. */
  readonly checkedOut = new Map<string, WorkTree>();
  uploadPolicy: UploadPackPolicy = {
    allowFilter: true,
    allowTipSha1InWant: false,
    allowReachableSha1InWant: false,
    allowAnySha1InWant: false,
    hiddenRefs: [],
  };
  receivePolicy: ReceivePackPolicy = {
    denyNonFastForwards: false,
    denyDeletes: false,
    denyDeleteCurrent: 'refuse',
    denyCurrentBranch: 'refuse',
    advertiseSessionId: false,
    shallowUpdate: false,
    procReceiveRefs: [],
    advertiseAtomic: true,
    advertisePushOptions: false,
    hiddenRefs: [],
    maxPackBytes: 1 << 30,
    maxCommands: 100_000,
  };

  constructor(path: string, objectFormat: ObjectFormat = 'sha1') {
    this.path = path;
    this.objectFormat = objectFormat;
  }

  git(args: readonly string[], input?: string): Promise<string> {
    return git(args, { cwd: this.path, ...(input === undefined ? {} : { input }) });
  }

  async refs(): Promise<RefSnapshot> {
    const format = '%(refname)%00%(objectname)%00%(symref)';
    const lines = (await this.git(['for-each-ref', `--format=${format}`])).split('\n');
    const shown = (await tryGit(['show-ref', '--dereference'], { cwd: this.path })).stdout.toString();
    const peels = new Map(Array.from(shown.matchAll(/^(\S+) (.*)\^\{\}$/gm), ([, oid, name]) => [name, oid]));
    const refs = lines.flatMap((line): Ref[] => {
      const [name = '', oid = '', symref = ''] = line.split('\0');
      if (name === '') return [];
      const peeled = peels.get(name);
      return [
        { name, oid, ...(peeled === undefined ? {} : { peeled }), ...(symref === '' ? {} : { symref }) },
      ];
    });
    const target = await tryGit(['symbolic-ref', '-q', 'HEAD'], { cwd: this.path });
    const commit = await tryGit(['rev-parse', '-q', '--verify', 'HEAD'], { cwd: this.path });
    const symref = target.stdout.toString().trim();
    const oid = commit.stdout.toString().trim();
    const byName = new Map(refs.map((ref) => [ref.name, ref]));
    const named = new Set([oid, ...refs.flatMap((ref) => [ref.oid, ref.peeled ?? ref.oid])]);
    return {
      generation: 0,
      head: { ...(oid === '' ? {} : { oid }), ...(symref === '' ? {} : { symref }) },
      refs,
      get: (name) => byName.get(name),
      withPrefix: (prefix) => refs.filter((ref) => ref.name.startsWith(prefix)),
      namesObject: (id) => named.has(id),
    };
  }

  async existing(oids: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    if (oids.length === 0) return new Set();
    const answer = await this.git(['cat-file', '--batch-check'], `${oids.join('\n')}\n`);
    return new Set(
      answer.split('\n').flatMap((line) => (line.endsWith(' missing') ? [] : [line.split(' ')[0] ?? ''])),
    );
  }

  async commitNode(oid: Oid): Promise<CommitNode | undefined> {
    const peeled = await tryGit(['rev-parse', '--verify', '--quiet', `${oid}^{commit}`], { cwd: this.path });
    if (peeled.code !== 0) return undefined;
    const commitOid = peeled.stdout.toString().trim();
    const answer = await tryGit(['cat-file', 'commit', commitOid], { cwd: this.path });
    if (answer.code !== 0) return undefined;
    const head = answer.stdout.toString().split('\n\n')[0] ?? '';
    const parents = Array.from(head.matchAll(/^parent (\S+)$/gm), (match) => match[1] ?? '');
    const time = /^committer .* (\d+) [+-]\d+$/m.exec(head)?.[1];
    const isOwnShallow = (await this.shallows()).has(commitOid);
    return { oid: commitOid, parents: isOwnShallow ? [] : parents, committerTimeSeconds: Number(time) };
  }

  async shallows(): Promise<ReadonlySet<Oid>> {
    const text = await readFile(join(this.path, 'shallow'), 'utf8').catch(() => '');
    return new Set(text.split('\n').filter((line) => line !== ''));
  }

  async shallowBoundary(
    wants: readonly Oid[],
    deepen: { readonly sinceSeconds?: number; readonly exclude: readonly Oid[] },
  ): Promise<readonly Oid[]> {
    const since = deepen.sinceSeconds === undefined ? [] : [`--max-age=${deepen.sinceSeconds}`];
    const nots = deepen.exclude.map((oid) => `^${oid}`);
    const lines = (await this.git(['rev-list', '--parents', ...since, ...wants, ...nots])).split('\n');
    const commits = lines.map((line) => line.split(' '));
    const inside = new Set(commits.map(([oid]) => oid));
    if ((commits[0]?.[0] ?? '') === '') {
      throw new PackhorseError('invalid_argument', 'no commits selected for shallow requests');
    }
    return commits.flatMap(([oid = '', ...parents]) =>
      parents.some((parent) => !inside.has(parent)) ? [oid] : [],
    );
  }

  async reachable(oids: readonly Oid[], tips: readonly Oid[]): Promise<boolean> {
    const unreached = await tryGit(['rev-list', '--count', ...oids, '--not', ...tips], { cwd: this.path });
    return unreached.code === 0 && unreached.stdout.toString().trim() === '0';
  }

  async objectSizes(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, number>> {
    const answer = await this.git(['cat-file', '--batch-check'], `${oids.join('\n')}\n`);
    const fields = answer.split('\n').map((line) => line.split(' '));
    return new Map(fields.flatMap(([oid = '', , size]) => (size === undefined ? [] : [[oid, Number(size)]])));
  }

  bundleList(): Promise<readonly (readonly [string, string])[]> {
    return Promise.resolve([]);
  }

  /** As `git upload-pack` asks `git pack-objects`. */
  async *pack(request: PackRequest, signal: AbortSignal): AsyncGenerator<PackPart> {
    this.packRequests.push(request);
    const nodes = await Promise.all(request.unshallows.map((oid) => this.commitNode(oid)));
    const shallows = [...request.newShallows, ...request.clientShallows, ...request.unshallows];
    const input = [
      ...shallows.map((oid) => `--shallow ${oid}`),
      ...request.wants,
      ...nodes.flatMap((node) => node?.parents ?? []),
      '--not',
      ...request.haves,
      ...request.unshallows,
      '',
    ].join('\n');
    const args = [
      ...(shallows.length > 0 ? ['--shallow-file', ''] : []),
      'pack-objects',
      '--revs',
      '--stdout',
      '-q',
      ...(shallows.length > 0 ? ['--shallow'] : []),
      ...(request.thinPack ? ['--thin'] : []),
      ...(request.ofsDelta ? ['--delta-base-offset'] : []),
      ...(request.includeTag ? ['--include-tag'] : []),
      ...(request.filter === undefined ? [] : [`--filter=${request.filter}`]),
    ];
    const child = spawn('git', args, { cwd: this.path, env: cleanEnvironment(), signal });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const closed = once(child, 'close');
    if (request.progress) yield { kind: 'progress', bytes: Buffer.from('Packing with git.\n') };
    for await (const bytes of child.stdout) yield { kind: 'data', bytes: bytes as Buffer };
    const [code] = (await closed) as [number];
    if (code !== 0) throw new Error(`git pack-objects ended with ${code}: ${errors}`);
  }

  alternateTips(): Promise<readonly Oid[]> {
    return Promise.resolve([]);
  }

  workTrees(): Promise<ReadonlyMap<string, WorkTree>> {
    return Promise.resolve(this.checkedOut);
  }

  updateWorkTree(): Promise<string | undefined> {
    return Promise.resolve('there is no work tree');
  }

  storeCertificate(): Promise<Oid> {
    return Promise.reject(new PackhorseError('internal', 'Certificates are not kept here.'));
  }

  verifySignature(): Promise<SignatureCheck> {
    return Promise.resolve({ status: 'E', signer: '', key: '' });
  }

  openQuarantine(): Promise<Quarantine> {
    return Promise.resolve(new PlainQuarantine(this));
  }
}

const objectKinds = ['commit', 'tree', 'blob', 'tag'] as const;
type ObjectKind = (typeof objectKinds)[number];

class PlainQuarantine implements Quarantine {
  readonly #repository: PlainRepository;
  readonly #objects: string;

  constructor(repository: PlainRepository) {
    this.#repository = repository;
    this.#objects = mkdtempSync(join(repository.path, 'objects', 'incoming-'));
    mkdirSync(join(this.#objects, 'pack'));
  }

  get #environment(): Record<string, string> {
    return {
      GIT_OBJECT_DIRECTORY: this.#objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: join(this.#repository.path, 'objects'),
    };
  }

  #git(args: readonly string[], input?: string): ReturnType<typeof tryGit> {
    const options = { cwd: this.#repository.path, env: this.#environment };
    return tryGit(args, input === undefined ? options : { ...options, input });
  }

  async receive(pack: ByteStream, options: ReceiveOptions): Promise<void> {
    options.onProgress?.(Buffer.from('Indexing with git.\n'));
    const child = spawn('git', ['index-pack', '--stdin', '--fix-thin', '--strict'], {
      cwd: this.#repository.path,
      env: cleanEnvironment(this.#environment),
    });
    const exited = once(child, 'close') as Promise<[number]>;
    child.stdout.resume();
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    // The indexer knows where the pack ends; the client may leave its connection open behind it.
    pipeline(pack, child.stdin).catch(() => undefined);
    const [code] = await exited;
    if (code !== 0) throw new PackhorseError('invalid_argument', errors.trim());
  }

  async disconnected(tips: readonly Oid[]): Promise<ReadonlySet<Oid>> {
    const missing = new Set<Oid>();
    for (const tip of tips) {
      const walk = await this.#git(['rev-list', '--objects', '--quiet', tip, '--not', '--all']);
      if (walk.code !== 0) missing.add(tip);
    }
    return missing;
  }

  async kindsOf(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, ObjectKind>> {
    const answer = await this.#git(['cat-file', '--batch-check'], `${oids.join('\n')}\n`);
    const lines = answer.stdout.toString().split('\n');
    return new Map(
      lines.flatMap((line): [Oid, ObjectKind][] => {
        const [oid = '', kind] = line.split(' ');
        const known = objectKinds.find((name) => name === kind);
        return known === undefined ? [] : [[oid, known]];
      }),
    );
  }

  shallowRoots(): Promise<readonly Oid[] | undefined> {
    return Promise.resolve(undefined);
  }

  environment(): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve({});
  }

  migrate(): Promise<void> {
    return Promise.resolve();
  }

  async isAncestor(ancestor: Oid, descendant: Oid): Promise<boolean> {
    return (await this.#git(['merge-base', '--is-ancestor', ancestor, descendant])).code === 0;
  }

  async commit(commands: readonly RefCommand[], options: CommitOptions): Promise<readonly CommandResult[]> {
    const packs = join(this.#objects, 'pack');
    for (const name of (await readdir(packs)).sort(
      (a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')),
    )) {
      await rename(join(packs, name), join(this.#repository.path, 'objects', 'pack', name));
    }
    const line = ({ name, oldOid, newOid }: RefCommand): string =>
      isZeroOid(newOid) ? `delete ${name} ${oldOid}\n` : `update ${name} ${newOid} ${oldOid}\n`;
    const groups = options.atomic ? [commands] : commands.map((command) => [command]);
    const results: CommandResult[] = [];
    for (const group of groups) {
      const { code } = await tryGit(['update-ref', '--stdin'], {
        cwd: this.#repository.path,
        input: group.map(line).join(''),
      });
      const outcome =
        code === 0
          ? ({ status: 'ok' } as const)
          : ({ status: 'rejected', reason: 'failed to update ref' } as const);
      results.push(...group.map(({ name }) => ({ name, ...outcome })));
    }
    return results;
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#objects, { recursive: true, force: true });
    return Promise.resolve();
  }
}
