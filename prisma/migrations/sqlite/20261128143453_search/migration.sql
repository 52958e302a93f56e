-- CreateTable
CREATE TABLE "SearchProgress" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "upToId" BIGINT NOT NULL,
    "fromId" BIGINT NOT NULL,
    "analyser" TEXT NOT NULL
);

-- Terms of messages by their ids, without a second copy of any text.
CREATE VIRTUAL TABLE "MessageIndex" USING fts5("terms", tokenize='ascii', content='', detail=none, columnsize=0, prefix='1 2 3 4 5 6');

-- What is deleted is taken out of the file, and not only marked as gone.
INSERT INTO "MessageIndex" ("MessageIndex", "rank") VALUES ('secure-delete', 1);
