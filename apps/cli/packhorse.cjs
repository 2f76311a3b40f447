#!/bin/sh
':' /*
# This file is a shell script and a Node program at once. The shell sees this part and replaces
# itself with a Node that is new enough, so that signals, kill -9 and the exit status reach the
# program itself, whatever Node the machine has.

self=$(readlink -f "$0")
root=${self%/apps/cli/packhorse.cjs}
case $(uname -m) in aarch64 | arm64) arch=arm64 ;; x86_64 | amd64) arch=x64 ;; *) arch=unknown ;; esac

new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  [ "$major" -gt 24 ] || { [ "$major" -eq 24 ] && [ "$minor" -ge 15 ]; }
}

# Packs pass through in buffers that live for a moment. With a small young generation they are freed
# by quick collections of that alone; with Node's default they pile up until the whole heap is
# collected, which costs a stream several times its CPU and some 100 MB. So small a generation is
# collected faster by one thread than by several that have to meet first. SSH says itself when.
flags='--max-semi-space-size=4 --no-parallel-scavenge --expose-gc'

for node in node "$root/.node/node_modules/node-linux-$arch/bin/node"; do
  if new_enough "$node"; then exec "$node" $flags "$self" "$@"; fi
done

echo "packhorse: this needs Node 24.15 or newer, which this machine does not have. Run $root/script/bootstrap once: it fetches one." >&2
exit 1
*/

// Plain CommonJS that every Node can read: an old one gets as far as starting the shell part above.
var version = process.versions.node.split('.').map(Number);

if (version[0] > 24 || (version[0] === 24 && version[1] >= 15)) {
  var packages = require('path').join(__dirname, '../../node_modules');
  if (require('fs').existsSync(packages + '/commander')) {
    // Two thirds of the time of a small command is reading our own source; where this cannot be
    // written, nothing is remembered.
    require('module').enableCompileCache(packages + '/.cache/packhorse');
    import('./main.ts');
  } else {
    process.stderr.write('packhorse: its packages are not installed. Run script/bootstrap once.\n');
    process.exitCode = 1;
  }
} else {
  // The descriptor tells the child when this process is gone, even after kill -9.
  var child = require('child_process').spawn('/bin/sh', [__filename].concat(process.argv.slice(2)), {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: Object.assign({}, process.env, { PACKHORSE_PARENT_DESCRIPTOR: '3' }),
  });
  // A terminal sends these to the whole process group, so the child has them already.
  var hasTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2'].forEach(function (signal) {
    process.on(signal, function () {
      if (signal === 'SIGTERM' || signal === 'SIGUSR2' || !hasTerminal) child.kill(signal);
    });
  });
  child.on('error', function (error) {
    process.stderr.write('packhorse: /bin/sh cannot be started: ' + error.message + '\n');
    process.exitCode = 1;
  });
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
