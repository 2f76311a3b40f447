import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitFiles, git, newWorkTree } from '#test/git';

/** What would do something if a page forgot to escape it. */
export const hostile = `"'><img src=x onerror=owned()><script>owned()</script>&amp;`;

/** Something hostile that may be the name of a file, or of a ref. */
export const hostileName = `"'><b onmouseover=owned()>&amp;`;

/** A 1x1 transparent PNG. */
export const pixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

const readme = `# Odd things

See [the end](#the-end), [the guide](docs/README.md#intro), [code](/src/main.c) and ![a pixel](pixel.png).

<script>owned()</script> <b onclick="owned()">bold</b> [click](javascript:owned())

- [x] done

| a | b |
|---|--:|
| 1 | 2 |

\`\`\`c
int main(void) { return 0; }
\`\`\`

## The end
`;

const files: Readonly<Record<string, string | Uint8Array>> = {
  'README.md': readme,
  'docs/README.md': '# Docs\n\n## Intro\n\nBack to [the start](../README.md).\n',
  'src/main.c': 'int main(void)\n{\n\treturn 0;\n}\n',
  empty: '',
  'no-newline': 'no newline',
  'long-line.txt': `${'x'.repeat(20_000)}\n`,
  'binary.bin': Buffer.from([0, 1, 2]),
  'crlf.txt': 'one\r\ntwo\r\n',
  'latin1.txt': Buffer.from('caf\u00e9\n', 'latin1'),
  'bidi.txt': 'a\u202eb\n',
  'pixel.png': pixel,
  'picture.svg':
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>owned()</script></svg>',
  'page.html': '<script>owned()</script>',
  'percent%20 #hash ?q.txt': 'odd\n',
  [hostileName]: 'hostile\n',
  'run.sh': '#!/bin/sh\n',
  '.gitmodules': '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://example.com/lib.git\n',
};

/**
 * A work tree with everything that a page may stumble over: odd files and names, links, a
 * submodule, renames, changed modes, a merge, hostile messages and people, and refs of every kind.
 */
export async function oddRepository(): Promise<string> {
  const workTree = await newWorkTree();
  const here = { cwd: workTree };
  const commit = (message: string): Promise<string> => commitFiles(workTree, {}, message);
  await git(['config', 'user.name', 'Eve </strong><script>owned()</script>'], here);
  await git(['config', 'user.email', `eve"onclick="owned()"@example.org`], here);
  await commitFiles(workTree, files, hostile);
  chmodSync(join(workTree, 'run.sh'), 0o755);
  symlinkSync('src/main.c', join(workTree, 'link'));
  symlinkSync('/etc/passwd', join(workTree, 'link-out'));
  await commit('Links and a mode\n\nA body with <script>owned()</script>.');
  await git(['mv', 'src/main.c', 'src/renamed.c'], here);
  await commit('Rename');
  await git(['rm', '--quiet', 'no-newline'], here);
  await commit('Delete');
  await git(['checkout', '--quiet', '-b', 'feature/x', 'HEAD~2'], here);
  await commitFiles(workTree, { feature: 'x\n' }, 'A feature');
  await git(['checkout', '--quiet', 'main'], here);
  await git(['merge', '--quiet', '--no-ff', '--message', 'Merge', 'feature/x'], here);
  const head = await git(['rev-parse', 'HEAD'], here);
  await git(['update-index', '--add', '--cacheinfo', `160000,${head},vendor/lib`], here);
  await git(['commit', '--quiet', '--message', 'Add a submodule'], here);
  await git(['branch', hostileName.replaceAll(' ', '-')], here);
  await git(['branch', 'feed/atom', 'HEAD~1'], here);
  await git(['tag', '--annotate', 'v1.0', '--message', `One ${hostile}\n\n${hostile}`, 'HEAD~1'], here);
  await git(['tag', 'light', 'HEAD~1'], here);
  await git(['tag', 'feature', 'HEAD~1'], here);
  await git(['tag', '--annotate', 'a-file', '--message', 'Names a file', 'HEAD:README.md'], here);
  return workTree;
}

/** A directory of `count` files, committed. */
export async function addManyFiles(workTree: string, directory: string, count: number): Promise<void> {
  mkdirSync(join(workTree, directory));
  for (let index = 0; index < count; index += 1) {
    writeFileSync(join(workTree, directory, `file-${String(index).padStart(6, '0')}`), '');
  }
  await git(['add', directory], { cwd: workTree });
  await git(['commit', '--quiet', '--message', `Add ${count} files`], { cwd: workTree });
}
