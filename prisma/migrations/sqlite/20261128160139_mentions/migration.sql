-- AlterTable
ALTER TABLE "RoomRights" ADD COLUMN "mentionAllPolicy" TEXT NOT NULL DEFAULT 'MEMBERS_WHILE_SMALL';

-- CreateTable
CREATE TABLE "Mention" (
    "messageId" BIGINT NOT NULL,
    "userId" INTEGER NOT NULL,
    "chatId" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "threadRootSeq" INTEGER,
    "place" INTEGER,
    "writtenAs" TEXT NOT NULL,
    "answered" BOOLEAN NOT NULL,
    "counts" BOOLEAN NOT NULL,

    PRIMARY KEY ("messageId", "userId"),
    CONSTRAINT "Mention_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "Mention_userId_chatId_counts_seq_idx" ON "Mention"("userId", "chatId", "counts", "seq");

-- CreateIndex
CREATE INDEX "Mention_userId_messageId_idx" ON "Mention"("userId", "messageId");
