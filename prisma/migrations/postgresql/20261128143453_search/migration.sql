-- CreateTable
CREATE TABLE "SearchProgress" (
    "id" INTEGER NOT NULL,
    "upToId" BIGINT NOT NULL,
    "fromId" BIGINT NOT NULL,
    "analyser" TEXT NOT NULL,

    CONSTRAINT "SearchProgress_pkey" PRIMARY KEY ("id")
);

-- Terms of messages by their ids: not a column of "Message", whose rows would be written anew.
CREATE TABLE "MessageIndex" (
    "id" BIGINT NOT NULL,
    "terms" TSVECTOR NOT NULL,

    CONSTRAINT "MessageIndex_pkey" PRIMARY KEY ("id")
);

-- What waits to be sorted in is looked through by every search: there shall not be much of it.
CREATE INDEX "MessageIndex_terms_idx" ON "MessageIndex" USING GIN ("terms") WITH (fastupdate = on, gin_pending_list_limit = 256);
