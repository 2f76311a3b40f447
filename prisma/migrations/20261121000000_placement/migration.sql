-- Copies of a repository beside its primary, where it is to be, and how many copies a push needs.

ALTER TABLE "repository"
    ADD COLUMN "region" TEXT COLLATE "C" NOT NULL DEFAULT 'local',
    ADD COLUMN "durability" INTEGER NOT NULL DEFAULT 1,
    ADD CONSTRAINT "repository_durability_is_positive" CHECK ("durability" >= 1);

CREATE TABLE "repository_replica" (
    "repository_id" TEXT COLLATE "C" NOT NULL,
    "volume_id" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "repository_replica_pkey" PRIMARY KEY ("repository_id", "volume_id")
);

CREATE INDEX "repository_replica_volume_id_repository_id_idx" ON "repository_replica"("volume_id", "repository_id");

DROP INDEX "repository_volume_id_idx";
CREATE INDEX "repository_volume_id_id_idx" ON "repository"("volume_id", "id");

ALTER TABLE "repository_replica" ADD CONSTRAINT "repository_replica_repository_id_fkey"
    FOREIGN KEY ("repository_id") REFERENCES "repository"("id") ON DELETE CASCADE ON UPDATE CASCADE;
