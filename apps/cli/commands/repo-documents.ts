/** What the repo commands ask, and how the answer is shown. */

export interface RepositorySummary {
  readonly fullName: string;
  readonly description: string;
  readonly visibility: string;
  readonly httpUrl: string;
  readonly sshUrl: string | null;
  readonly createdAt: string;
}

export interface RepositoryDetails extends RepositorySummary {
  readonly id: string;
  readonly objectFormat: string;
  readonly head: {
    readonly branch: string | null;
    readonly oid: string | null;
    readonly commit: { readonly summary: string } | null;
  };
  readonly facts: {
    readonly refs: number;
    readonly sizeBytes: number;
    readonly packs: number;
    readonly looseObjects: number;
    readonly generation: number;
    readonly maintenance: {
      readonly lastRunAt: string | null;
      readonly lastFailure: string | null;
      readonly bitmap: string;
      readonly commitsInGraph: number;
      readonly commitsOutsideGraph: number;
      readonly unreachableObjects: number;
      readonly garbageFiles: number;
      readonly garbageBytes: number;
    };
  };
}

const summaryFields = 'fullName description visibility httpUrl sshUrl createdAt';

export const createRepository = `mutation CreateRepository($input: CreateRepositoryInput!) {
  createRepository(input: $input) { ${summaryFields} }
}`;

export const updateRepository = `mutation UpdateRepository($input: UpdateRepositoryInput!) {
  updateRepository(input: $input) { ${summaryFields} }
}`;

export const deleteRepository = `mutation DeleteRepository($input: DeleteRepositoryInput!) {
  deleteRepository(input: $input)
}`;

export const grantRole = `mutation GrantRole($input: GrantRoleInput!) {
  grantRole(input: $input) { collaborators { login role } }
}`;

export const findRepository = `query FindRepository($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) { ${summaryFields} }
}`;

export const repositoryDetails = `query RepositoryDetails($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    id ${summaryFields} objectFormat
    head { branch oid commit { summary } }
    facts {
      refs sizeBytes packs looseObjects generation
      maintenance {
        lastRunAt lastFailure bitmap commitsInGraph commitsOutsideGraph
        unreachableObjects garbageFiles garbageBytes
      }
    }
  }
}`;

export const listRepositories = `query ListRepositories($after: String, $owner: String) {
  repositories(first: 100, after: $after, owner: $owner) {
    nodes { ${summaryFields} } pageInfo { endCursor hasNextPage }
  }
}`;

export const importRepository = `mutation ImportRepository($input: ImportRepositoryInput!) {
  importRepository(input: $input) { id }
}`;

export const verifyRepository = `mutation VerifyRepository($input: VerifyRepositoryInput!) {
  verifyRepository(input: $input) { id }
}`;

export const maintainRepository = `mutation MaintainRepository($input: MaintainRepositoryInput!) {
  maintainRepository(input: $input) { id }
}`;

/** As `--json` prints it. */
export function summaryJson(repository: RepositorySummary): object {
  const { fullName, description, visibility, httpUrl, sshUrl, createdAt } = repository;
  return {
    repository: fullName,
    description,
    visibility: visibility.toLowerCase(),
    httpUrl,
    sshUrl,
    createdAt,
  };
}

/** As `--json` prints it. */
export function detailsJson(repository: RepositoryDetails): object {
  const { id, head, facts, objectFormat } = repository;
  return {
    ...summaryJson(repository),
    id,
    objectFormat: objectFormat.toLowerCase(),
    defaultBranch: head.branch,
    headOid: head.oid,
    ...facts,
    maintenance: { ...facts.maintenance, bitmap: facts.maintenance.bitmap.toLowerCase().replace('_', '-') },
  };
}
