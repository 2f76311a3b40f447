-- What every node of a cluster knows and nobody else: made by the first one that starts.
CREATE TABLE "cluster_secret" (
    "name" TEXT NOT NULL,
    "secret" TEXT NOT NULL,

    CONSTRAINT "cluster_secret_pkey" PRIMARY KEY ("name")
);
