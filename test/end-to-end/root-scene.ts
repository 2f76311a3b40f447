import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { doors, sshUrl, type Door, type Remote } from '#test/doors';
import { git } from '#test/git';
import { Packhorse, type PackhorseOptions } from '#test/packhorse';
import { newSshKey, type SshKey } from '#test/ssh';
import { temporaryDirectory } from '#test/temporary';

/** The doors of `serve --root`: one more than a server with accounts has. */
export interface RootDoor {
  readonly name: Door['name'] | 'git';
}

export const rootDoors: readonly RootDoor[] = [...doors, { name: 'git' }];

/** `serve --root` over a directory of plain repositories, with every door open for everybody here. */
export class RootScene implements AsyncDisposable {
  readonly packhorse: Packhorse;
  readonly root: string;
  readonly #key: SshKey;
  #repositories = 0;

  private constructor(packhorse: Packhorse, root: string, key: SshKey) {
    this.packhorse = packhorse;
    this.root = root;
    this.#key = key;
  }

  static async start(options: PackhorseOptions = {}): Promise<RootScene> {
    const root = options.root ?? temporaryDirectory('root');
    const key = await newSshKey();
    const authorizedKeys = join(temporaryDirectory('authorized'), 'authorized_keys');
    writeFileSync(authorizedKeys, `${key.publicKey}\n`);
    const packhorse = await Packhorse.start({
      anonymousPush: true,
      authorizedKeys,
      gitDoor: 'export-all',
      serveArguments: ['--informative-errors'],
      ...options,
      root,
    });
    return new RootScene(packhorse, root, key);
  }

  /** A path below the root that is not used yet. */
  newPath(): string {
    this.#repositories += 1;
    return join(this.root, `group/repository-${this.#repositories}.git`);
  }

  /** A bare repository below the root, a copy of `source` or empty. */
  async create(source?: string, path = this.newPath()): Promise<string> {
    mkdirSync(dirname(path), { recursive: true });
    if (source === undefined) await git(['init', '--quiet', '--bare', path]);
    else await git(['clone', '--quiet', '--mirror', source, path]);
    return path;
  }

  async remote(door: RootDoor, path: string): Promise<Remote> {
    const relative = path.slice(this.root.length + 1);
    if (door.name === 'http') return { url: `${this.packhorse.httpUrl}/${relative}`, env: {} };
    if (door.name === 'git') return { url: `${this.packhorse.gitUrl}/${relative}`, env: {} };
    const known = await this.packhorse.knownHosts();
    return { url: sshUrl(this.packhorse, relative), env: known.gitEnvironment(this.#key) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.packhorse[Symbol.asyncDispose]();
  }
}
