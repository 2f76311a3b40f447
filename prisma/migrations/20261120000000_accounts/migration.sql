-- People, their credentials, repositories and who may do what with them.
-- Keys that are compared or paged by are COLLATE "C": the order is the same on every machine and for ever.

CREATE TYPE "visibility" AS ENUM ('public', 'private');
CREATE TYPE "object_format" AS ENUM ('sha1', 'sha256');
CREATE TYPE "repository_role" AS ENUM ('reader', 'writer', 'admin');

CREATE TABLE "user" (
    "id" TEXT COLLATE "C" NOT NULL,
    "login" TEXT NOT NULL,
    "login_key" TEXT COLLATE "C" NOT NULL,
    "email" TEXT NOT NULL,
    "email_key" TEXT COLLATE "C" NOT NULL,
    "is_admin" BOOLEAN NOT NULL DEFAULT false,
    "password_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "user_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "user_login_key_is_lower" CHECK ("login_key" = lower("login" COLLATE "C"))
);

CREATE TABLE "access_token" (
    "id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "scopes" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "access_token_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "access_token_hash_is_sha256" CHECK (octet_length("hash") = 32)
);

CREATE TABLE "ssh_key" (
    "id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "title" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "blob" BYTEA NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ssh_key_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ssh_key_fingerprint_is_sha256" CHECK ("fingerprint" = sha256("blob"))
);

CREATE TABLE "web_session" (
    "hash" BYTEA NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "web_session_pkey" PRIMARY KEY ("hash"),
    CONSTRAINT "web_session_hash_is_sha256" CHECK (octet_length("hash") = 32)
);

CREATE TABLE "repository" (
    "id" TEXT COLLATE "C" NOT NULL,
    "owner_id" TEXT COLLATE "C" NOT NULL,
    "owner_key" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "name_key" TEXT COLLATE "C" NOT NULL,
    "description" TEXT NOT NULL,
    "visibility" "visibility" NOT NULL,
    "object_format" "object_format" NOT NULL,
    "volume_id" TEXT COLLATE "C" NOT NULL,
    "epoch" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "repository_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "repository_name_key_is_lower" CHECK ("name_key" = lower("name" COLLATE "C"))
);

CREATE TABLE "repository_grant" (
    "repository_id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "role" "repository_role" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "repository_grant_pkey" PRIMARY KEY ("repository_id", "user_id")
);

CREATE UNIQUE INDEX "user_login_key_key" ON "user"("login_key");
CREATE UNIQUE INDEX "user_email_key_key" ON "user"("email_key");
CREATE UNIQUE INDEX "user_id_login_key_key" ON "user"("id", "login_key");

CREATE UNIQUE INDEX "access_token_hash_key" ON "access_token"("hash");
CREATE INDEX "access_token_user_id_idx" ON "access_token"("user_id");

CREATE UNIQUE INDEX "ssh_key_fingerprint_key" ON "ssh_key"("fingerprint");
CREATE INDEX "ssh_key_user_id_idx" ON "ssh_key"("user_id");

CREATE INDEX "web_session_user_id_expires_at_idx" ON "web_session"("user_id", "expires_at");

CREATE UNIQUE INDEX "repository_owner_key_name_key_key" ON "repository"("owner_key", "name_key");
CREATE INDEX "repository_owner_id_idx" ON "repository"("owner_id");
CREATE INDEX "repository_volume_id_idx" ON "repository"("volume_id");

CREATE INDEX "repository_grant_user_id_idx" ON "repository_grant"("user_id");

ALTER TABLE "access_token" ADD CONSTRAINT "access_token_user_id_fkey"
    FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "ssh_key" ADD CONSTRAINT "ssh_key_user_id_fkey"
    FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "web_session" ADD CONSTRAINT "web_session_user_id_fkey"
    FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "repository" ADD CONSTRAINT "repository_owner_id_owner_key_fkey"
    FOREIGN KEY ("owner_id", "owner_key") REFERENCES "user"("id", "login_key") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "repository_grant" ADD CONSTRAINT "repository_grant_repository_id_fkey"
    FOREIGN KEY ("repository_id") REFERENCES "repository"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "repository_grant" ADD CONSTRAINT "repository_grant_user_id_fkey"
    FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
