-- AlterTable
ALTER TABLE "Chat" ADD COLUMN "activity" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "LogEpoch" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "LogEpoch_name_key" ON "LogEpoch"("name");

-- What chats were ordered by so far. One without messages stands where its first event is, if that is still known.
UPDATE "Chat" SET "activity" = COALESCE(
  (SELECT m."id" FROM "Message" m WHERE m."chatId" = "Chat"."id" AND m."seq" = "Chat"."lastSeq"),
  (SELECT e."number" FROM (SELECT "chatId", min("number") AS "number" FROM "Event" WHERE "type" = 'chat-added' GROUP BY "chatId") e WHERE e."chatId" = "Chat"."id"),
  0);
