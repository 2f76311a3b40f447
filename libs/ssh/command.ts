import { cleanRepositoryPath, type GitService } from '#gateway';

/** What the command of an `exec` request (RFC 4254, 6.5) asks for. Nothing else ever runs. */
export type SshCommand =
  | {
      readonly kind: 'git';
      readonly service: GitService;
      readonly path: string;
      /** The repository as the client wrote it, fit for a terminal. */
      readonly named: string;
    }
  | { readonly kind: 'refused'; readonly message: string };

const refused = (message: string): SshCommand => ({ kind: 'refused', message });

const services: ReadonlyMap<string, GitService> = new Map([
  ['git-upload-pack', 'upload-pack'],
  ['git-receive-pack', 'receive-pack'],
  ['git-upload-archive', 'upload-archive'],
]);

/**
 * Reads `git-upload-pack 'PATH'` and its like, as git, JGit and libgit2 send them; the dash may be
 * a space. Refusals begin as those of git-shell(1) do.
 */
export function parseCommand(command: string): SshCommand {
  const [program, ...args] = splitWords(command.replace(/^git (?=[a-z])/, 'git-')) ?? [];
  const service = services.get(program ?? '');
  if (service === undefined) return refused(`unrecognized command '${printable(command)}'. ${served}`);
  const [named, ...more] = args;
  if (named === undefined || more.length > 0)
    return refused('bad argument: exactly one repository must be named.');
  // The home directory is where repositories are.
  const path = named.startsWith('-') ? undefined : cleanRepositoryPath(named.replace(/^\/?~\//, ''));
  return path === undefined
    ? refused('bad argument: this is not a valid repository address.')
    : { kind: 'git', service, path, named: printable(named) };
}

const served = 'Only git clone, git fetch, git push and git archive are served here.';

/** A command line as it may be shown on a terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- control characters are what is looked for
  return text.slice(0, 200).replaceAll(/[\u0000-\u001f\u007f]/g, '?');
}

/** One piece of a word: quoted as git quotes (quote.c, sq_quote_buf), or plain characters that no shell would change. */
const piece = /'(?<quoted>[^']*)'|\\(?<escaped>['!])|(?<plain>[\w./~+@%:,=-]+)/y;

/** The words of a command line; undefined when something is in it that only a shell could read. */
function splitWords(command: string): readonly string[] | undefined {
  const words: string[] = [];
  let at = 0;
  while (at < command.length) {
    if (command[at] === ' ') {
      at += 1;
      continue;
    }
    let word = '';
    while (at < command.length && command[at] !== ' ') {
      piece.lastIndex = at;
      const groups = piece.exec(command)?.groups;
      if (groups === undefined) return undefined;
      word += groups['quoted'] ?? groups['escaped'] ?? groups['plain'] ?? '';
      at = piece.lastIndex;
    }
    words.push(word);
  }
  return words;
}
