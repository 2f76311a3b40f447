import { clusterSettings, membershipSettings } from './cluster-settings.ts';
import { day, GiB, KiB, MiB, minute, second, setting, type SettingDefinition } from './setting.ts';

export type { SettingDefinition } from './setting.ts';

/**
 * Every limit and every other number an operator may turn, in one table: name, default, unit and
 * what happens at the limit. A setting `section.nameUnit` can be overridden by the environment
 * variable `PACKHORSE_SECTION_NAME_UNIT` (for example `PACKHORSE_HTTP_MAX_HEADER_BYTES`).
 * The unit is the last word of the name.
 */
export const settingDefinitions = {
  actor: {
    mailboxMessages: setting(
      1024,
      'Messages that may wait for one actor; past it a call is answered `unavailable`.',
    ),
    callTimeoutMs: setting(
      30 * second,
      'How long a call waits for its answer when it names no deadline of its own.',
    ),
    startTimeoutMs: setting(30 * second, 'How long an actor may take to start; past it that is a crash.'),
    shutdownTimeoutMs: setting(5 * second, 'How long a stopping actor is waited for before it is killed.'),
    maxChildren: setting(
      1_000_000,
      'Children of one dynamic supervisor; past it asking for one more is answered `unavailable`.',
    ),
    maxRestarts: setting(3, 'Restarts within `restartWindowMs`; past it a supervisor gives up.'),
    restartWindowMs: setting(5 * second, 'The window in which restarts are counted.'),
    sliceTurns: setting(256, 'Messages handled before the event loop gets a chance to do its other work.'),
  },
  wire: {
    maxCommands: setting(100_000, 'Ref updates in one push; past it the push is refused.'),
    maxWants: setting(200_000, 'Wants in one fetch; past it the fetch is refused.'),
    maxHaves: setting(200_000, 'Haves in one fetch request; past it the fetch is refused.'),
    maxArgumentLines: setting(500_000, 'Lines in one protocol v2 command; past it the command is refused.'),
    maxRefPrefixes: setting(
      65_536,
      'ref-prefix lines that are looked at; with more, all refs are listed, as git does.',
    ),
    maxReadyWalkCommits: setting(
      20_000,
      'Commits walked to decide whether a negotiation can stop; past it it goes on.',
    ),
    maxDepthWalkCommits: setting(
      5_000_000,
      'Commits walked to find a shallow boundary; past it the fetch is refused.',
    ),
    maxRememberedAnswerBytes: setting(
      32 * MiB,
      'Encoded `ls-refs` answers kept with one ref snapshot; further forms are encoded each time.',
    ),
    maxArchiveArguments: setting(
      63,
      'Arguments of one `git archive --remote`, as in git; past it it is refused.',
    ),
    maxPushOptions: setting(1_000, 'Push options of one push; past it the push is refused.'),
    maxCertificateBytes: setting(
      16 * MiB,
      'Size of the certificate of a signed push; past it the push is refused.',
    ),
    maxDrainBytes: setting(
      1 * GiB,
      'What is read of a refused push after its report, so that the client gets to read it; past it the connection is closed.',
    ),
    drainTimeoutMs: setting(
      5 * minute,
      'How long the rest of a refused push is read; past it the connection is closed.',
    ),
    keepAliveMs: setting(
      5 * second,
      'Silence after which a running fetch or push sends a keep-alive packet; 0 sends none.',
    ),
  },
  git: {
    readersPerRepository: setting(3, 'Reader agents in one repository pool.'),
    poolIdleMs: setting(2 * minute, 'How long an unused repository stays open.'),
    objectCacheBytes: setting(64 * MiB, 'Memory for parsed objects, shared by all repositories of a node.'),
    objectCacheMaxEntryBytes: setting(1 * MiB, 'Objects larger than this are never cached.'),
    readerMailboxMessages: setting(
      256,
      'Reads that may wait for one reader agent; past it the answer is `unavailable`.',
    ),
    readTimeoutMs: setting(
      30 * second,
      'Longest run of one read; past it the answer is `deadline_exceeded`.',
    ),
    maxObjectBytes: setting(
      32 * MiB,
      'Commits, trees and tags larger than this are not shown: `resource_exhausted`.',
    ),
    streamedBlobBytes: setting(
      1 * MiB,
      'Larger blobs are streamed from a git process, never read into memory.',
    ),
    maxBlobStreams: setting(32, 'Streams of large blobs at once on a node; further ones wait.'),
    maxBlobStreamQueue: setting(
      256,
      'Streams of large blobs that may wait; past it the answer is `unavailable`.',
    ),
    lastCommitsTimeMs: setting(
      500,
      'How long the last commits of a directory are looked for; entries not found by then have none.',
    ),
    maxPackBytes: setting(10 * GiB, 'Size of one pushed pack; past it the push is refused.'),
    maxPackProducers: setting(8, '`git pack-objects` processes at once on a node; further fetches wait.'),
    maxPackProducerQueue: setting(
      256,
      'Fetches that may wait for a producer; past it the answer is `unavailable`.',
    ),
    maxWorkPerRepository: setting(
      6,
      'Packs produced, and pushes indexed, and archives made, at once for one repository (each kind counts by itself); further ones wait.',
    ),
    maxWorkPerUser: setting(6, 'The same for one user.'),
    maxWorkPerAddress: setting(6, 'The same for one address.'),
    maxWaitingWork: setting(
      64,
      'How many of a kind may wait for one repository, one user or one address; past it the answer is `unavailable`.',
    ),
    maxWorkWaitMs: setting(
      2 * minute,
      'How long such work waits for its turn; past it the answer is `unavailable`.',
    ),
    maxArchivers: setting(4, '`git upload-archive` processes at once on a node; further archives wait.'),
    maxArchiverQueue: setting(
      64,
      'Archives that may wait for a process; past it the answer is `unavailable`.',
    ),
    smallPackBytes: setting(
      1 * MiB,
      'A pushed pack up to this size is taken in without starting git; larger ones are indexed by git as they arrive.',
    ),
    smallPackObjects: setting(1_000, 'Objects of a pack that is taken in without starting git.'),
    smallPackInflatedBytes: setting(
      8 * MiB,
      'Size of all objects, and of all deltas, of a pack that is taken in without starting git.',
    ),
    smallPackMemoryBytes: setting(
      64 * MiB,
      'Memory for pushed packs that are taken in without starting git, on a node; past it git indexes them.',
    ),
    basePackMinBytes: setting(
      1 * MiB,
      'A largest pack from this size on is sent as it is, then what is new.',
    ),
    composeMaxObjects: setting(
      2_000,
      'Objects beyond a base pack that are collected and packed without starting git; past it git does that.',
    ),
    composeMaxBytes: setting(16 * MiB, 'What is read of objects for that, inflated; past it git does that.'),
    packCacheBytes: setting(
      4 * GiB,
      'Disk for packs that were sent; past it the longest unused go. 0: none.',
    ),
    packCacheMaxEntryBytes: setting(2 * GiB, 'A larger pack is not cached.'),
    packCacheMinFreeBytes: setting(1 * GiB, 'Free space on its disk below which the pack cache gives way.'),
    packCacheAbandonMs: setting(5 * second, 'How long a pack is still made when all who waited are gone.'),
    packCacheWindowMs: setting(10 * minute, 'How soon a fetch with haves must come again to be cached.'),
    packCacheWindowEntries: setting(20_000, 'Fetches remembered for that; past it the oldest is forgotten.'),
    maxPackObjects: setting(20_000_000, 'Objects in one pushed pack; past it the push is refused.'),
    maxPushedObjectBytes: setting(
      2 * GiB,
      'Size of one pushed object, as it is when inflated; past it the push is refused.',
    ),
    maxIndexerMemoryBytes: setting(
      2 * GiB,
      'Memory of the git process that indexes a pushed pack, and of the one that checks its links; past it the push is refused. 0 is no limit.',
    ),
    maxIndexers: setting(8, 'Pushes indexed at once on a node; further pushes wait.'),
    maxIndexerQueue: setting(
      256,
      'Pushes that may wait for an indexer; past it the answer is `unavailable`.',
    ),
    certificateSlopMs: setting(
      5 * minute,
      'How old the nonce of a signed push over HTTP may be to count as ours; an older one is noted as such.',
    ),
    hookTimeoutMs: setting(
      60 * minute,
      'Longest run of one hook (`--hooks`); past it the hook is stopped and counts as failed.',
    ),
    quarantineGraceMs: setting(60 * minute, 'Age after which a quarantine that nobody owns is removed.'),
    commitGraphBytes: setting(
      64 * MiB,
      'Memory for the commit-graph of one repository; a larger one is not read, and commits are read one by one instead.',
    ),
    maxReachabilityCommits: setting(
      200_000,
      'Commits walked in the process to find whether one reaches another; past it git is asked.',
    ),
    maxCommitReads: setting(1_000, 'Commits read one by one in such a walk; past it git is asked.'),
    maxMaintenances: setting(1, 'Repositories maintained at once on a node; further ones wait.'),
    maintenanceThreads: setting(1, 'Threads of one repack.'),
    maintenanceDeferMs: setting(
      10 * minute,
      'How long maintenance that is due leaves the machine to pushes that are being indexed.',
    ),
    maintenanceDelayMs: setting(
      15 * second,
      'Time between a push and the look at what maintenance the repository needs; pushes within it count as one.',
    ),
    maintenancePacks: setting(
      8,
      'Packs beside the base pack above which the smaller ones are combined, such that each is at least twice as large as all smaller ones together.',
    ),
    maintenanceLooseObjects: setting(500, 'Loose objects above which they are packed.'),
    maintenanceLooseRefs: setting(250, 'Refs in files of their own above which they are packed.'),
    maintenanceCommits: setting(
      64,
      'Commits that are not in the commit-graph above which they are added to it.',
    ),
    retiredPackGraceMs: setting(
      10 * minute,
      'How long a pack whose objects were combined into another one stays, for copies and fetches under way.',
    ),
    unreachableGraceMs: setting(
      14 * day,
      'How long objects are kept after they were first found unreachable.',
    ),
    reflogGraceMs: setting(90 * day, 'Age of reflog entries that are forgotten.'),
    reflogUnreachableGraceMs: setting(
      30 * day,
      'Age of reflog entries that are forgotten when no ref reaches what they name; until then it is not unreachable.',
    ),
    gitTimeoutMs: setting(60 * minute, 'Longest run of one git process; past it the process is stopped.'),
    blobChunkBytes: setting(64 * KiB, 'Size of the chunks in which a blob is streamed.'),
    maxDiffFiles: setting(300, 'Files rendered in one diff; the rest is counted and named as left out.'),
    maxDiffLines: setting(20_000, 'Lines rendered in one diff; the rest is counted and named as left out.'),
    maxDiffBytes: setting(4 * MiB, 'Bytes of patch rendered in one diff; the rest is left out.'),
    maxHistoryPage: setting(200, 'Commits in one page of history.'),
  },
  http: {
    maxHeaderBytes: setting(32 * KiB, 'Size of the request header; past it the answer is 431.'),
    maxConnections: setting(10_000, 'Open HTTP connections; past it new ones are closed.'),
    maxConnectionsPerAddress: setting(
      1_000,
      'Open HTTP connections of one address that is no trusted proxy; past it the answer is 503.',
    ),
    headersTimeoutMs: setting(30 * second, 'How long a client may take to send its request header.'),
    idleTimeoutMs: setting(75 * second, 'How long a connection may rest between requests.'),
    stallTimeoutMs: setting(5 * minute, 'How long a running request may move no byte in either direction.'),
    lingerTimeoutMs: setting(
      30 * second,
      'How long the rest of a request body is still taken once its answer is out; past it the connection is closed.',
    ),
    maxJsonBodyBytes: setting(1 * MiB, 'Body of a GraphQL or form request; past it the answer is 413.'),
  },
  ssh: {
    maxConnections: setting(2_000, 'Open SSH connections; past it new ones are closed.'),
    maxConnectionsPerAddress: setting(
      100,
      'Open SSH connections of one address; past it new ones are closed.',
    ),
    maxSessionsPerConnection: setting(10, 'Channels on one SSH connection; past it a channel is refused.'),
    maxAuthAttempts: setting(
      20,
      'Keys and other logins that one connection may try in vain; past it the connection is closed.',
    ),
    loginTimeoutMs: setting(60 * second, 'How long a client may take to authenticate.'),
    idleTimeoutMs: setting(10 * minute, 'How long a connection may rest without a command.'),
    keepAliveMs: setting(
      60 * second,
      'Silence of a client after which it is asked for a sign of life; past five in vain it is gone.',
    ),
    stallTimeoutMs: setting(5 * minute, 'How long a running command may move no byte in either direction.'),
  },
  daemon: {
    maxConnections: setting(
      2_000,
      'Open git:// connections; past it new ones are told that the server is busy.',
    ),
    maxConnectionsPerAddress: setting(
      100,
      'Open git:// connections of one address; past it new ones are told that the server is busy.',
    ),
    requestTimeoutMs: setting(30 * second, 'How long a git:// client may take to send its request.'),
    stallTimeoutMs: setting(5 * minute, 'How long a git:// connection may move no byte in either direction.'),
    lingerTimeoutMs: setting(
      30 * second,
      'How long a git:// client may take to close its side once its answer is out; past it the connection is closed.',
    ),
  },
  accounts: {
    maxConcurrentHashes: setting(2, 'Password hashes computed at once (each needs `passwordMemoryBytes`).'),
    maxQueuedHashes: setting(64, 'Password checks that may wait; past it the answer is `unavailable`.'),
    passwordMemoryBytes: setting(19 * MiB, 'Memory cost of argon2id (OWASP password storage cheat sheet).'),
    passwordPasses: setting(2, 'Passes of argon2id over its memory (OWASP password storage cheat sheet).'),
    verifiedSecretCacheMs: setting(
      60 * second,
      'How long a verified token or password is trusted without asking the database.',
    ),
    verifiedSecretCacheEntries: setting(10_000, 'Verified tokens and passwords that are remembered.'),
    accessCacheMs: setting(
      5 * second,
      'How long a repository record or a role is trusted without asking the database; a change made on another node may take this long.',
    ),
    accessCacheEntries: setting(20_000, 'Repository records, and roles, that are remembered.'),
    tokenUseResolutionMs: setting(10 * minute, 'How exact the time of the last use of a token is.'),
    maxTokensPerUser: setting(200, 'Access tokens of one user; past it no further one is made.'),
    maxKeysPerUser: setting(200, 'SSH keys of one user; past it no further one is added.'),
    maxSessionsPerUser: setting(100, 'Web sessions of one user; past it the oldest ends.'),
    maxRepositoriesPerOwner: setting(100_000, 'Repositories of one owner; past it no further one is made.'),
    maxCollaborators: setting(1_000, 'Users with a role on one repository; past it no further one gets one.'),
    sessionMs: setting(30 * 24 * 60 * minute, 'How long a web session lasts.'),
    maxFailedLogins: setting(
      20,
      'Failed passwords per login and address within `failedLoginWindowMs`; past it the answer is `resource_exhausted`.',
    ),
    maxFailedLoginsPerAddress: setting(
      200,
      'Failed passwords of one address, whatever the login, within `failedLoginWindowMs`; past it the answer is `resource_exhausted`.',
    ),
    failedLoginWindowMs: setting(5 * minute, 'The window in which failed logins are counted.'),
  },
  database: {
    poolConnections: setting(10, 'Connections to PostgreSQL.'),
    connectTimeoutMs: setting(10 * second, 'How long a connection attempt to PostgreSQL may take.'),
    poolIdleMs: setting(60 * second, 'How long an unused connection to PostgreSQL stays open.'),
    statementTimeoutMs: setting(
      30 * second,
      'Longest run of one statement or transaction; past it the answer is `deadline_exceeded`.',
    ),
    startTimeoutMs: setting(
      60 * second,
      'How long the start waits for PostgreSQL to answer, and for another node to finish migrating it.',
    ),
    stopTimeoutMs: setting(
      20 * second,
      'How long an embedded PostgreSQL may take to shut down before it is pressed harder.',
    ),
  },
  graphql: {
    maxDepth: setting(12, 'Nesting of a GraphQL query; past it the query is refused.'),
    maxPageItems: setting(100, 'Items in one page of a list.'),
    maxTokens: setting(5_000, 'Lexical tokens of a query; past it the query is refused.'),
    maxCost: setting(
      20_000,
      'Cost of a query (fields times page sizes, dear fields more); past it the query is refused.',
    ),
    maxBlobTextBytes: setting(1 * MiB, 'Larger files have no text in an answer.'),
    maxRunningJobs: setting(16, 'Imports and verifications at once; past it the answer is `unavailable`.'),
    maxRunningJobsPerUser: setting(
      4,
      'Imports and verifications at once of one user; past it the answer is `unavailable`.',
    ),
    maxJobs: setting(1_000, 'Jobs that are remembered; past it the oldest finished ones are forgotten.'),
    maxJobLines: setting(500, 'Lines of progress kept of one job; older ones are dropped.'),
    jobRetentionMs: setting(60 * minute, 'How long a finished job can still be asked for.'),
  },
  web: {
    maxRenderedBlobBytes: setting(
      512 * KiB,
      'Larger files are offered as raw download instead of being rendered.',
    ),
    maxReadmeBytes: setting(256 * KiB, 'Larger READMEs are not rendered below the tree.'),
    maxTreeEntries: setting(1_000, 'Entries of one directory page; the rest is on further pages.'),
    maxListedRefs: setting(100, 'Branches, and tags, of one page of refs; the rest is on further pages.'),
    maxSwitcherRefs: setting(20, 'Branches, and tags, that a page offers to look at instead.'),
    pageItems: setting(30, 'Items on a page of a list.'),
    renderThreads: setting(1, 'Worker threads that render Markdown and highlight code.'),
    maxRenderQueue: setting(
      64,
      'Documents that may wait to be rendered; past it they are shown as plain text.',
    ),
    renderTimeoutMs: setting(
      3 * second,
      'How long one document may take to render; past it it is shown as plain text.',
    ),
    renderCacheBytes: setting(
      32 * MiB,
      'Memory for rendered documents and files; the least recently seen go first.',
    ),
    renderIdleMs: setting(minute, 'How long an unused render thread is kept.'),
  },
  cluster: clusterSettings,
  membership: membershipSettings,
  node: {
    drainTimeoutMs: setting(30 * second, 'How long SIGTERM waits for running sessions.'),
    loopDelayAlarmMs: setting(250, 'Event loop delay (p99 over 10 s) above which a warning is logged.'),
    maxGitSessions: setting(4_000, 'Git sessions at once on a node; past it the answer is `unavailable`.'),
    maxGitSessionsPerAddress: setting(
      1_000,
      'Git sessions at once of one address; past it the answer is `unavailable`.',
    ),
  },
} as const satisfies Record<string, Record<string, SettingDefinition>>;
