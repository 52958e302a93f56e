-- CreateTable
CREATE TABLE "Reaction" (
    "messageId" BIGINT NOT NULL,
    "userId" INTEGER NOT NULL,
    "emoji" TEXT NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("messageId", "userId", "emoji")
);

-- CreateTable
CREATE TABLE "ReactionCount" (
    "messageId" BIGINT NOT NULL,
    "emoji" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "place" INTEGER NOT NULL,

    PRIMARY KEY ("messageId", "emoji")
);

-- CreateTable
CREATE TABLE "UntoldReaction" (
    "messageId" INTEGER NOT NULL PRIMARY KEY,
    "chatId" INTEGER NOT NULL,
    "byId" INTEGER
);

-- CreateIndex
CREATE INDEX "Reaction_messageId_emoji_at_userId_idx" ON "Reaction"("messageId", "emoji", "at", "userId");

-- CreateIndex
CREATE INDEX "Reaction_userId_messageId_idx" ON "Reaction"("userId", "messageId");
